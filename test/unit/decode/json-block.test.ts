import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonBlockParser } from '../../../src/decode/json-block.ts'

/** Values as they lie in a segment: `gap` bytes of a record's frame around each, which may be anything. */
function laidOut(values: readonly (string | Buffer)[], gap = 9, filler = 0x5b) {
  const chunks: Buffer[] = [Buffer.alloc(gap, filler)]
  const [starts, ends] = [new Int32Array(values.length), new Int32Array(values.length)]
  let position = gap
  for (const [i, value] of values.entries()) {
    const bytes = Buffer.from(value as string)
    starts[i] = position
    ends[i] = position + bytes.length
    position += bytes.length + gap
    chunks.push(bytes, Buffer.alloc(gap, filler))
  }
  return { buffer: Buffer.concat(chunks), starts, ends }
}

/** What the parser makes of a block; null when it leaves it to JSON.parse. */
function parsed(
  values: readonly (string | Buffer)[],
  gap = 9,
  parser = new JsonBlockParser(),
): unknown[] | null {
  const { buffer, starts, ends } = laidOut(values, gap)
  const before = Buffer.from(buffer)
  const block = parser.parse(buffer, starts, ends, 0, values.length)
  expect(buffer.equals(before), 'the bytes are left as they are').toBe(true)
  return block && values.map((_, i) => block.values[i * block.step])
}

const alone = (values: readonly string[]) => values.map((value) => JSON.parse(value) as unknown)

describe('a block is what each of its values is alone', () => {
  test.each<[string, string[]]>([
    ['flat objects', ['{"a":1}', '{"a":2,"b":"x"}', '{}']],
    ['one object', ['{"a":1}']],
    ['objects in objects', ['{"a":{"b":{}}}', '{ "a" : { } }']],
    ['one name twice and __proto__', ['{"a":1,"a":2}', '{"__proto__":{"a":1}}', '{"toString":1}']],
    ['escapes', ['{"a":"\\"\\\\\\n\\u00e9"}', '{"a":"\\ud800"}']],
    ['text in UTF-8', ['{"é":"€😀"}', '{"a":"x"}']],
    ['arrays', ['{"a":[1,2,{"b":[]}]}', '{"a":[]}', '{"a":"[x]"}']],
    ['a bracket in text', ['{"a":"["}', '{"a":"]"}']],
    ['a marker in text', ['{"a":["~^|"]}', '{"a":["x"]}']],
    ['numbers', ['{"a":-0}', '{"a":1e400}', '{"a":0.1}']],
  ])('%s', (_, values) => {
    expect(parsed(values)).toStrictEqual(alone(values))
    expect(parsed([...values, ...values, ...values])).toStrictEqual(alone([...values, ...values, ...values]))
  })

  test('one kind after the other, in one parser', () => {
    const parser = new JsonBlockParser()
    const kinds = [
      ['{"a":1}', '{}'],
      ['{"a":[1]}', '{}'],
      ['{"a":"\\n"}', '{}'],
      ['{"a":1}', '{}'],
    ]
    for (const values of [...kinds, ...kinds.reverse(), ...kinds]) {
      const block = parsed(values, 9, parser)
      // Escapes right after arrays are left to JSON.parse once.
      if (block !== null || !values[0]?.includes('\\n')) expect(block).toStrictEqual(alone(values))
    }
    expect(parsed(['{"a":"\\n"}', '{}'], 9, parser)).not.toBeNull()
  })
})

/*
 * Values that are broken, and become whole together: their number is right, and the array parses.
 */
test.each<[string, string[]]>([
  ['an array that goes on in the next value', ['{"a":[{}', '{}]}', '{},{}']],
  ['the same with two more', ['{},{}', '{"a":[{}', '{}]}']],
  ['an object that goes on', ['{"a":{}', '{}}', '{},{}']],
  ['a string that goes on', ['{"a":"}', '{"}', '{},{}']],
  ['values without brackets', ['1,2', '[3', '4]']],
  ['two values in one', ['{},{}', '{}']],
  ['no value', ['{}', '', '{}']],
  ['markers in a value', ['{"a":[{}', '{}]}', '{},"~^|",{}']],
  ['all markers, and arrays', ['{"a":["~^|","`@^","%;~"]}', '{"a":[{}', '{}]}', '{},"x",{}']],
  ['markers written otherwise', ['{"a":[{}', '{}]}', '{},"\\u007e^|",{}']],
  ['markers inside of an array', ['{"a":[{}', '{},{},"~^|",{}]}', '{},"~^|",{}']],
  ['the brackets outside', ['{}],[{}', '{}']],
  ['a comment', ['{}/*', '*/{}']],
  ['broken alone', ['{"a":1}', '{"a":}', '{}']],
  ['cut', ['{"a":1', '{}']],
  ['not an object', ['{}', '1', '{}']],
  ['null', ['{}', 'null']],
  ['leading space', [' {}', '{}']],
  ['control character', ['{"a":"\n"}', '{}']],
])('is left to JSON.parse: %s', (_, values) => {
  for (const gap of [7, 9, 40]) {
    expect(parsed(values, gap)).toBeNull()
    const parser = new JsonBlockParser()
    parsed(['{"a":[]}', '{}'], gap, parser)
    expect(parsed(values, gap, parser)).toBeNull()
  }
})

test('what is not UTF-8 is left to JSON.parse, also where the bytes of two values would be a character', () => {
  expect(parsed([Buffer.from('{"a":"é"}', 'latin1'), '{}'])).toBeNull()
  expect(parsed([Buffer.from([...Buffer.from('{"a":"'), 0xe2, 0x82]), '{}'])).toBeNull()
})

test('records without a value, frames without room and very long blocks are left to JSON.parse', () => {
  const { buffer, starts, ends } = laidOut(['{}', '{}'])
  ends[1] = -1
  expect(new JsonBlockParser().parse(buffer, starts, ends, 0, 2)).toBeNull()
  expect(parsed(['{}', '{}'], 1)).toBeNull()
  expect(parsed(['{"a":[]}', '{}'], 6)).toBeNull()
  const long = `{"a":"${'x'.repeat(200_000)}"}`
  expect(parsed([long])).toStrictEqual([JSON.parse(long)])
  expect(parsed([long, long])).toBeNull()
})

test('a part of a segment', () => {
  const values = Array.from({ length: 20 }, (_, n) => `{"n":${n}}`)
  const { buffer, starts, ends } = laidOut(values)
  const block = new JsonBlockParser().parse(buffer, starts, ends, 5, 9)
  expect(block?.values).toEqual([{ n: 5 }, { n: 6 }, { n: 7 }, { n: 8 }])
})

test('of random values, whole and broken, it never gives another answer than JSON.parse', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"~^|"',
    '1',
    '{}',
    '{"a":[',
    ']}',
    '"',
    '\\',
    ' ',
  )
  const broken = fc.array(piece, { maxLength: 6 }).map((pieces) => `{${pieces.join('')}}`)
  const whole = fc.jsonValue().map((value) => JSON.stringify({ value }))
  const values = fc.array(fc.oneof({ weight: 3, arbitrary: whole }, { weight: 1, arbitrary: broken }), {
    minLength: 1,
    maxLength: 8,
  })
  let taken = 0
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 12 }), (texts, gap) => {
      const block = parsed(texts, gap)
      if (block === null) return
      taken += 1
      expect(block).toStrictEqual(alone(texts))
    }),
    { numRuns: 3_000, seed: 9 },
  )
  expect(taken).toBeGreaterThan(300)
}, 60_000)
