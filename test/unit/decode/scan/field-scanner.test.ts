import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FieldScanner } from '../../../../src/decode/scan/field-scanner.ts'
import { Kind, PlainDecimal } from '../../../../src/decode/scan/scanned-fields.ts'
import { SeededRandom } from '../../../../src/runtime/seeded-random.ts'
import { accepted, bytesOf, either, notUtf8, refused } from '../../../support/json-cases.ts'
import { broken, jsonObject } from '../../../support/random-json.ts'

const missing = Symbol('missing')
const paths = [['x'], ['y'], ['in', 'x'], ['in', 'deep', 'y'], ['in'], ['é'], ['__proto__'], ['x']]

/** What JSON.parse says of `text`, one value per path; null when it is no object, or invalid. */
function reference(bytes: Buffer): unknown[] | null {
  if (!isUtf8(bytes)) return null
  let parsed: unknown
  try {
    parsed = JSON.parse(bytes.toString())
  } catch {
    return null
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return null
  return paths.map((path) => {
    let value: unknown = parsed
    for (const name of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return missing
      value = (value as Record<string, unknown>)[name]
    }
    return value
  })
}

const scanner = new FieldScanner(paths)
const decimal = new PlainDecimal()

/** What was found; null when the scanner leaves the text to JSON.parse. The text stands in the middle of other bytes. */
function scanned(bytes: Buffer, after = '}]"1'): unknown[] | null {
  const before = Buffer.from('{"x":[')
  const buffer = Buffer.concat([before, bytes, Buffer.from(after)])
  if (!scanner.scan(buffer, before.length, before.length + bytes.length)) return null
  return paths.map((_, slot) => {
    const [start, end] = [scanner.starts[slot] ?? 0, scanner.ends[slot] ?? 0]
    const text = buffer.toString('utf8', start, end)
    switch (scanner.kinds[slot]) {
      case Kind.missing:
        return missing
      case Kind.ascii:
      case Kind.utf8:
        return text
      case Kind.escaped:
        return JSON.parse(`"${text}"`)
      case Kind.number:
        return decimal.read(buffer, start, end) ? decimal.toNumber() : Number(text)
      case Kind.object:
      case Kind.array:
        return JSON.parse(text)
      case Kind.null:
        return null
      default:
        return scanner.kinds[slot] === Kind.true
    }
  })
}

/** Never another answer than JSON.parse; perhaps none. */
function expectAgreement(bytes: Buffer): void {
  const found = scanned(bytes)
  if (found === null) return
  const expected = reference(bytes)
  if (expected === null)
    throw new Error(`taken, though it is no JSON object: ${JSON.stringify(bytes.toString())}`)
  for (const [slot, value] of found.entries()) {
    expect(value, `${paths[slot]?.join('.')} in ${bytes.toString()}`).toStrictEqual(expected[slot])
    expect(Object.is(value, -0), `sign of ${bytes.toString()}`).toBe(Object.is(expected[slot], -0))
  }
}

const places: readonly (readonly [string, string, string])[] = [
  ['of a wanted field', '{"x":', '}'],
  ['of a field that nobody wants', '{"z":', '}'],
  ['in the middle', '{"a":1, "x" : ', ' ,"y":[2]}'],
  ['inside', '{"in":{"x":', ',"deep":{"y":1}}}'],
  ['in a wanted array', '{"x":[', ',1]}'],
  ['in an object that nobody wants', '{"z":{"y":', '},"y":"a"}'],
]
const at = (prefix: string, value: Buffer, suffix: string) =>
  Buffer.concat([Buffer.from(prefix), value, Buffer.from(suffix)])

describe.each(places)('in the place %s', (_, prefix, suffix) => {
  test.each(accepted)('%s is taken', (...one) => {
    const bytes = at(prefix, bytesOf(one), suffix)
    expect(reference(bytes)).not.toBeNull()
    expectAgreement(bytes)
    expect(scanned(bytes)).not.toBeNull()
  })

  test.each(refused)('%s is refused', (...one) => {
    const bytes = at(prefix, bytesOf(one), suffix)
    // In an array, nothing is something.
    if (prefix.endsWith('[') && one[0].includes('array')) return expectAgreement(bytes)
    expect(reference(bytes)).toBeNull()
    expect(scanned(bytes)).toBeNull()
  })

  test.each(notUtf8)('no UTF-8 is refused: %s', (...one) => {
    expect(scanned(at(prefix, bytesOf(one), suffix))).toBeNull()
  })

  test.each(either)('%s is what JSON.parse makes of it', (...one) => {
    const bytes = at(prefix, bytesOf(one), suffix)
    expect(reference(bytes)).not.toBeNull()
    expectAgreement(bytes)
  })
})

test.each([
  '',
  'null',
  '1',
  '"x"',
  '[]',
  '{',
  '}',
  '{"x":1}}',
  '{"x":1} x',
  '{"x":1}{}',
  '\ufeff{"x":1}',
  '{"x":1',
  '{"x":1,',
  '{"x"',
  '{"x":"',
  '{"x":tru',
  '{"x":-',
])('the text %j is not taken, whatever bytes come after it', (text) => {
  for (const after of ['', '}', '1}', '"}', ',"y":1}', 'e}', ':1}', '\\u0041"}']) {
    expect(scanned(Buffer.from(text), after)).toBeNull()
  }
})

test.each<[string, unknown[]]>([
  ['{"x":1,"x":2}', [2, missing]],
  ['{"x":1,"y":2,"x":null}', [null, 2]],
  ['{"in":{"x":1},"in":{"deep":{"y":2}}}', [missing, missing, missing, 2]],
  ['{"in":{"x":1,"deep":{"y":2}},"in":null}', [missing, missing, missing, missing, null]],
  ['{"in":{"deep":{"y":2},"deep":{}}}', [missing, missing, missing, missing]],
  ['{"toString":1}', [missing]],
  ['{"__proto__":7}', [missing, missing, missing, missing, missing, missing, 7]],
])('of one name the last one counts: %s', (text, expected) => {
  expect(scanned(Buffer.from(text))?.slice(0, expected.length)).toEqual(expected)
  expectAgreement(Buffer.from(text))
})

test('escaped names are left to JSON.parse, wherever they could be one that is wanted', () => {
  expect(scanned(Buffer.from('{"\\u0078":1}'))).toBeNull()
  expect(scanned(Buffer.from('{"in":{"\\u0078":1}}'))).toBeNull()
  expect(scanned(Buffer.from('{"z":{"\\u0078":1},"x":2}'))?.[0]).toBe(2)
  // Values inside of an array have paths too.
  expect(scanned(Buffer.from('{"in":[{"x":1}]}'))).toBeNull()
})

test('names may come in another order, or be others, at any time', () => {
  const own = new FieldScanner([['x'], ['y'], ['in', 'x']])
  const texts = [
    '{"x":1,"y":2}',
    '{"y":3,"x":4}',
    '{"x" :5,"y": 6}',
    '{"xx":7,"y":8}',
    '{"x":9}',
    '{"in":{"x":1},"x":2}',
    '{"in":{"y":1,"x":3},"yy":2}',
  ]
  for (const text of [
    ...texts,
    ...texts.reverse(),
    ...texts,
    ...Array.from({ length: 300 }, (_, n) => `{"x${n}":1,"y":2}`),
    ...texts,
  ]) {
    const bytes = Buffer.from(text)
    expect(own.scan(bytes, 0, bytes.length)).toBe(true)
    const parsed = JSON.parse(text) as { x?: number; y?: number; in?: { x?: number } }
    for (const [slot, expected] of [parsed.x, parsed.y, parsed.in?.x].entries()) {
      const found =
        own.kinds[slot] === Kind.missing ? undefined : Number(text.slice(own.starts[slot], own.ends[slot]))
      expect(found, text).toBe(expected)
    }
  }
})

test('of random objects it finds what JSON.parse finds', () => {
  let taken = 0
  fc.assert(
    fc.property(jsonObject, (text) => {
      expectAgreement(Buffer.from(text))
      if (scanned(Buffer.from(text)) !== null) taken += 1
    }),
    { numRuns: 2_000, seed: 7 },
  )
  expect(taken).toBeGreaterThan(500)
}, 60_000)

test('of objects with bytes changed, cut, doubled and put in it never takes what JSON.parse does not', () => {
  const random = new SeededRandom(11)
  const texts = fc.sample(jsonObject, { numRuns: 300, seed: 3 })
  let [tried, valid] = [0, 0]
  for (const text of texts) {
    const original = Buffer.from(text)
    for (let round = 0; round < 30; round++) {
      const bytes = broken(original, random)
      expectAgreement(bytes)
      tried += 1
      if (reference(bytes) !== null) valid += 1
    }
  }
  // Neither all of them broken nor all of them whole.
  expect(valid).toBeGreaterThan(tried / 20)
  expect(valid).toBeLessThan(tried * 0.9)
}, 60_000)

test.each<[string, number | null, number?]>([
  ['0', 0],
  ['-0', -0],
  ['-0.00', -0],
  ['19.75', 19.75, 2],
  ['-19.75', -19.75, 2],
  ['999999999999999', 999999999999999, 0],
  ['0.12345678901234', 0.12345678901234, 14],
  ['9.99999999999999', 9.99999999999999, 14],
  ['1000000000000000', null],
  ['1e3', null],
  ['0.123456789012345', null],
])('reads the plain decimal %s', (text, expected, scale) => {
  const bytes = Buffer.from(`,${text},`)
  const isPlain = decimal.read(bytes, 1, 1 + text.length)
  expect(isPlain ? decimal.toNumber() : null).toBe(expected)
  if (scale !== undefined) expect(decimal.scale).toBe(scale)
})

test('reads every decimal of up to 15 digits as the double that it is', () => {
  fc.assert(
    fc.property(
      fc.bigInt(-999_999_999_999_999n, 999_999_999_999_999n),
      fc.integer({ min: 0, max: 14 }),
      (n, scale) => {
        const digits = String(n < 0n ? -n : n).padStart(scale + 1, '0')
        if (digits.length > 15) return
        const point = digits.length - scale
        const text = `${n < 0n ? '-' : ''}${digits.slice(0, point)}${scale === 0 ? '' : `.${digits.slice(point)}`}`
        const bytes = Buffer.from(text)
        expect(decimal.read(bytes, 0, bytes.length)).toBe(true)
        expect(decimal.toNumber()).toBe(Number(text))
      },
    ),
    { numRuns: 2_000 },
  )
})
