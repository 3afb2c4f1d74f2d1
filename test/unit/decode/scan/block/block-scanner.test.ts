import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { BlockScanner } from '../../../../../src/decode/scan/block/block-scanner.ts'
import { MAX_BYTES, MAX_RECORDS } from '../../../../../src/decode/scan/block/memory-map.ts'
import { FieldScanner } from '../../../../../src/decode/scan/field-scanner.ts'
import { RecordScanner } from '../../../../../src/decode/scan/record-scanner.ts'
import {
  hashOfBytes,
  Kind,
  PlainDecimal,
  type ScannedFields,
  type ValueColumns,
} from '../../../../../src/decode/scan/scanned-fields.ts'
import { SeededRandom } from '../../../../../src/runtime/seeded-random.ts'
import { accepted, bytesOf, either, notUtf8, refused } from '../../../../support/json-cases.ts'
import { broken, jsonObject } from '../../../../support/random-json.ts'

/*
 * What FieldScanner says of a record is what a block must say of it, wherever the record lies and whatever lies around
 * it. A block may leave a record to FieldScanner, which is held against JSON.parse by its own test; never the other way round.
 */

const paths = [['x'], ['y'], ['in', 'x'], ['in', 'deep', 'y'], ['é'], ['__proto__'], ['x']]
const allSlots = new Set(paths.keys())

/** Where `texts` are when `gap` is between each of them and the next, and before and after all of them. Null is a tombstone. */
function columnsOf(texts: readonly (Buffer | string | null)[], gap: Buffer | string = ''): ValueColumns {
  const pieces: Buffer[] = [Buffer.from(gap)]
  const valueStart = new Int32Array(texts.length)
  const valueEnd = new Int32Array(texts.length)
  let position = Buffer.byteLength(gap)
  for (const [i, text] of texts.entries()) {
    const bytes = Buffer.from(text ?? '')
    pieces.push(bytes, Buffer.from(gap))
    valueStart[i] = position
    valueEnd[i] = text === null ? -1 : position + bytes.length
    position += bytes.length + Buffer.byteLength(gap)
  }
  return { buffer: Buffer.concat(pieces), valueStart, valueEnd }
}

const decimal = new PlainDecimal()

/** What `found` says, where it says something. */
function contents(found: ScannedFields, slots: number): unknown[] {
  const { at, buffer, kinds, starts, ends, known } = found
  return Array.from({ length: slots }, (_, slot) => {
    const kind = kinds[at + slot]
    if (kind === Kind.missing) return { kind }
    const [start, end] = [starts[at + slot] as number, ends[at + slot] as number]
    const isPlain = kind === Kind.number && decimal.readFrom(found, slot)
    const number = isPlain ? [decimal.mantissa, decimal.scale] : null
    const hash = known === null ? hashOfBytes(buffer, start, end) : known.hashes[at + slot]
    return { kind, start, end, number, hash }
  })
}

function isObject(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

/** @returns which records the block has understood */
function expectAgreement(
  values: ValueColumns,
  scanner = new BlockScanner(paths, allSlots),
  of = paths,
): boolean[] {
  const single = new FieldScanner(of)
  return Array.from(values.valueStart, (start, i) => {
    if (!scanner.scan(values, i)) return false
    const end = values.valueEnd[i] as number
    const bytes = values.buffer.subarray(start, end)
    if (!isObject(bytes))
      throw new Error(`taken, though it is no JSON object: ${JSON.stringify(bytes.toString())}`)
    if (!single.scan(values.buffer, start, end)) throw new Error(`only the block took ${bytes.toString()}`)
    const [actual, expected] = [contents(scanner, of.length), contents(single, of.length)]
    expect(actual, bytes.toString()).toStrictEqual(expected)
    expect(scanner.buffer).toBe(values.buffer)
    return true
  })
}

const understood = (texts: readonly (Buffer | string | null)[], gap?: string) =>
  expectAgreement(columnsOf(texts, gap)).filter((is) => is).length

const places: readonly (readonly [string, string, string])[] = [
  ['of a wanted field', '{"x":', '}'],
  ['of a field that nobody wants', '{"z":', '}'],
  ['in the middle', '{"a":1, "x" : ', ' ,"t":[2]}'],
  ['inside', '{"in":{"x":', ',"deep":{"y":1}}}'],
  ['in an array', '{"z":[', ',1],"y":2}'],
  ['in an object that nobody wants', '{"z":{"y":', '},"y":"a"}'],
]

describe.each(places)('in the place %s', (_, prefix, suffix) => {
  const at = (value: Buffer | string) =>
    Buffer.concat([Buffer.from(prefix), Buffer.from(value), Buffer.from(suffix)])
  const plain = ['"tea"', '1', 'null', '-12.50', 'true', 'false', '""'].map(at)

  test('plain values are understood', () => {
    expect(understood(plain)).toBe(plain.length)
  })

  test.each([...accepted, ...refused, ...notUtf8, ...either])('%s', (...one) => {
    const bytes = bytesOf(one)
    const record = at(bytes)
    for (const gap of ['', '}]"1']) {
      // With the value alone, too.
      expectAgreement(columnsOf([...plain, record, ...plain, bytes, record, record], gap))
      expectAgreement(columnsOf([record, record, bytes, record], gap))
    }
  })
})

test('a string ends at the first byte that is no plain character, at every place of sixteen', () => {
  for (const prefix of ['{"x":"', '{"zz":1,"x":"', '{"zzzzzzzz":1,"x":"']) {
    const scanner = new BlockScanner(paths, allSlots)
    const record = (text: Uint8Array) => Buffer.concat([Buffer.from(prefix), text, Buffer.from('"}')])
    const empty = record(Buffer.alloc(0))
    expect(expectAgreement(columnsOf([empty, empty, empty, empty]), scanner)).not.toContain(false)
    for (const length of [1, 15, 16, 17, 33, 47]) {
      for (let place = 0; place < length; place++) {
        const records = Array.from({ length: 256 }, (_, byte) => {
          const text = Buffer.alloc(length, 97)
          text[place] = byte
          return record(text)
        })
        // The quote ends the string too early.
        const expected = records.map((_, byte) => byte >= 32 && byte < 128 && byte !== 34 && byte !== 92)
        expect(expectAgreement(columnsOf(records), scanner)).toEqual(expected)
      }
    }
  }
}, 60_000)

test('whatever stands at any place of a record, it is what JSON.parse takes it for', () => {
  const scanner = new BlockScanner(paths, allSlots)
  const text = '{"x":"a","in":{"x":-10.5,"n":null},"t":[true,false,0]}'
  for (let place = 0; place < text.length; place++) {
    const records = Array.from({ length: 256 }, (_, byte) => {
      const record = Buffer.from(text)
      record[place] = byte
      return [text, record]
    })
    const taken = expectAgreement(columnsOf(records.flat()), scanner)
    // What is right is understood before and after what is not.
    expect(taken.filter((_, i) => i % 2 === 0)).not.toContain(false)
  }
}, 60_000)

test('of two records that touch, every part is what it is alone', () => {
  for (const text of ['{"x":1}', '{"x":"a"}', '{"in":{"x":null}}', '{"x":12,"y":"1"}']) {
    const scanner = new BlockScanner(paths, allSlots)
    // A record ends where its positions say, whatever the bytes after it would make of it.
    const { buffer } = columnsOf([text, text, text])
    const parts: [number, number][] = []
    for (let from = 0; from <= text.length; from++) {
      for (let to = from; to <= 2 * text.length; to++) parts.push([from, to])
    }
    for (const [from, to] of parts) {
      const values = {
        buffer,
        valueStart: Int32Array.of(0, from, from, 2 * text.length),
        valueEnd: Int32Array.of(text.length, to, to, 3 * text.length),
      }
      const [first, second, again, last] = expectAgreement(values, scanner)
      expect([first, last]).toEqual([true, true])
      const isRecord = (from === 0 && to === text.length) || (from === text.length && to === 2 * text.length)
      expect([second, again], `${from} to ${to} of ${text}`).toEqual([isRecord, isRecord])
    }
  }
})

test('numbers are the decimals that they are', () => {
  const digits = fc.stringMatching(/^[0-9]{1,17}$/)
  const number = fc.oneof(
    fc
      .tuple(
        fc.constantFrom('', '-', '+', '--'),
        digits,
        fc.constantFrom('', '.'),
        digits,
        fc.constantFrom('', 'e1', 'E-2', '.', '-'),
      )
      .map((parts) => parts.join('')),
    fc
      .tuple(fc.constantFrom('', '-'), fc.nat(1e9), fc.constantFrom('', '.0', '.25', '.123456'))
      .map((parts) => parts.join('')),
  )
  let taken = 0
  fc.assert(
    fc.property(fc.array(number, { minLength: 4, maxLength: 40 }), (numbers) => {
      taken += understood(['{"x":1}', ...numbers.map((text) => `{"x":${text}}`), '{"x":2}'])
    }),
    { numRuns: 500, seed: 5 },
  )
  expect(taken).toBeGreaterThan(2_000)
  for (const text of [
    '999999999999999',
    '-99999.9999999999',
    '0.00000000000000',
    '1000000000000000',
    '-0',
    '-0.0',
    '123456789012345678901234567890',
  ]) {
    expect(understood(Array.from({ length: 4 }, () => `{"x":${text}}`))).toBe(4)
  }
})

test('of random objects it finds what is in them', () => {
  let taken = 0
  fc.assert(
    fc.property(
      fc.array(jsonObject, { minLength: 1, maxLength: 6 }),
      fc.constantFrom('', ' ', '\0'),
      (texts, gap) => {
        taken += understood([...texts, ...texts], gap)
      },
    ),
    { numRuns: 1_000, seed: 7 },
  )
  expect(taken).toBeGreaterThan(1_000)
}, 60_000)

test('of objects with bytes changed, cut, doubled and put in it never takes what JSON.parse does not', () => {
  const random = new SeededRandom(12)
  const objects = fc.sample(jsonObject, { numRuns: 150, seed: 4 })
  const texts = [...objects, '{"x":"a","y":12.5}', '{"in":{"x":"a","deep":{"y":-1}},"z":[1,{"a":"b"}]}']
  for (const text of texts) {
    const original = Buffer.from(text)
    for (let round = 0; round < 4; round++) {
      const records = Array.from({ length: 60 }, () => broken(original, random))
      expectAgreement(columnsOf([original, ...records, original]))
    }
  }
}, 60_000)

test('other layouts are learned as they come, and those that have none are left', () => {
  const layouts = [
    '{"x":1,"y":"a"}',
    '{"y":"a","x":1}',
    '{ "x" : 1 }',
    '{"in":{"deep":{"y":1}}}',
    '{"é":1,"z":[[1],{}]}',
  ]
  expect(understood(layouts.slice(0, 4))).toBe(4)
  // No more than four are kept: the one that was learned last takes the place of another.
  const scanner = new BlockScanner(paths, allSlots)
  for (const text of layouts) {
    const values = columnsOf(Array.from({ length: 8 }, () => text))
    expect(expectAgreement(values, scanner)).toEqual(Array.from({ length: 8 }, () => true))
  }
  for (const text of [
    '{"x":1,"x":2}',
    '{"x":{"y":1}}',
    '{"x":[1]}',
    '{"in":null}',
    '{"in":{"x":1,"deep":1}}',
    '{"z":{"a":1,"a":2}}',
    '{"z":{"\\u0061":1}}',
    '{"x":"\\n"}',
    '{"x":"é"}',
    '{"x":1e5}',
    `{"z":${'['.repeat(40)}${']'.repeat(40)}}`,
    `{"z":[${'1,'.repeat(300)}1]}`,
  ]) {
    expect(understood([text, text, text, text]), text).toBe(0)
  }
})

test('a path is wanted twice, and names are told from those that begin like them', () => {
  const texts = [
    '{"x":1,"xx":2,"y":3}',
    '{"xx":1,"x":2,"y":3}',
    '{"xy":1,"x":2,"y":3}',
    '{"x ":1,"x":2,"y":3}',
  ]
  expect(understood([...texts, ...texts])).toBe(8)
})

test('records are understood over the edges of blocks, in any order', () => {
  const texts = Array.from(
    { length: 2 * MAX_RECORDS + 3 },
    (_, n) => `{"x":${n},"y":"${'y'.repeat(n % 40)}"}`,
  )
  const values = columnsOf(texts, 'key')
  const scanner = new BlockScanner(paths, allSlots)
  const taken = expectAgreement(values, scanner)
  // The last three are not worth a block of their own.
  expect(taken.indexOf(false)).toBe(2 * MAX_RECORDS)
  for (const i of [300, 5, 4, 299, 0, 511, 512, 256]) {
    if (!scanner.scan(values, i)) expect(i).toBeGreaterThanOrEqual(2 * MAX_RECORDS)
    else
      expect(values.buffer.toString('latin1', scanner.starts[scanner.at], scanner.ends[scanner.at])).toBe(
        String(i),
      )
  }
  // Two segments in turns.
  const others = columnsOf(texts.map((text) => text.replace('"x":', '"x":7')))
  for (let i = 0; i < 20; i++) {
    for (const [of, text] of [
      [values, String(i)],
      [others, `7${i}`],
    ] as const) {
      expect(scanner.scan(of, i)).toBe(true)
      expect(of.buffer.toString('latin1', scanner.starts[scanner.at], scanner.ends[scanner.at])).toBe(text)
    }
  }
})

test('tombstones, empty values and long ones are left, and nothing else is', () => {
  const text = '{"x":1,"y":"a"}'
  const long = `{"x":1,"y":"${'a'.repeat(MAX_BYTES)}"}`
  const half = `{"x":1,"y":"${'a'.repeat(MAX_BYTES / 2)}"}`
  const texts = [
    text,
    null,
    text,
    '',
    null,
    text,
    long,
    text,
    text,
    half,
    half,
    half,
    text,
    long,
    text,
    text,
    text,
    null,
  ]
  const taken = expectAgreement(columnsOf(texts))
  expect(taken).toEqual(texts.map((one) => one === text || one === half))
  expect(understood([null, null, null, null, null])).toBe(0)
  expect(understood(['', '', '', ''])).toBe(0)
})

test('positions that do not rise are no records of a block', () => {
  const text = '{"x":1,"y":"a"}'
  const { buffer, valueStart, valueEnd } = columnsOf(Array.from({ length: 8 }, () => text))
  for (const order of [
    [7, 6, 5, 4, 3, 2, 1, 0],
    [0, 7, 1, 6, 2, 5, 3, 4],
    [4, 5, 6, 7, 0, 1, 2, 3],
  ]) {
    expectAgreement({
      buffer,
      valueStart: Int32Array.from(order, (i) => valueStart[i] as number),
      valueEnd: Int32Array.from(order, (i) => valueEnd[i] as number),
    })
  }
})

test('what is not worth it is not tried for a while, and then it is again', () => {
  const scanner = new BlockScanner([['x']], new Set())
  const useless = Array.from({ length: 4 }, () => columnsOf(Array.from({ length: 8 }, () => '{"x":"é"}')))
  for (const values of useless) expect(scanner.scan(values, 0)).toBe(false)
  const good = () => scanner.scan(columnsOf(Array.from({ length: 8 }, () => '{"x":1}')), 0)
  expect(good()).toBe(false)
  expect(Array.from({ length: 40 }, good).at(-1)).toBe(true)
})

describe('without WebAssembly', () => {
  afterEach(() => vi.unstubAllGlobals())

  const values = columnsOf(Array.from({ length: 20 }, (_, n) => `{"x":${n}}`))
  const scanAll = () => {
    const scanner = new RecordScanner([['x']])
    return Array.from(values.valueStart, (_, i) => {
      const found = scanner.scanRecord(values, i)
      if (found === null) return null
      return [
        found.buffer.toString('latin1', found.starts[found.at], found.ends[found.at]),
        found.known === null,
      ]
    })
  }
  const { Memory, Instance } = (globalThis as unknown as { WebAssembly: Record<string, unknown> }).WebAssembly

  test.each<[string, unknown]>([
    ['there is none', undefined],
    [
      'it has no memory',
      {
        Memory: class {
          constructor() {
            throw new RangeError('could not allocate memory')
          }
        },
      },
    ],
    [
      'it does not know the instructions',
      {
        Memory,
        Instance,
        Module: class {
          constructor() {
            throw new Error('invalid opcode')
          }
        },
      },
    ],
  ])('every record is scanned by itself: %s', (_, engine) => {
    const numbers = Array.from({ length: 20 }, (_, n) => String(n))
    expect(scanAll()).toEqual(numbers.map((text) => [text, false]))
    vi.stubGlobal('WebAssembly', engine)
    expect(scanAll()).toEqual(numbers.map((text) => [text, true]))
  })
})
