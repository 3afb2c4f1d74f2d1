import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { documentText } from '../../../src/sink/document-text.ts'
import { headersDocument } from '../../../src/sink/headers-document.ts'

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
const cyclic: unknown[] = []
cyclic.push(cyclic)

describe('the text of a document', () => {
  test('says what JSON.stringify would, with sorted names and without what is undefined', () => {
    expect(documentText({ b: 1, a: { 10: 'x', 9: undefined, __proto__: null } })).toBe(
      '{"a":{"10":"x"},"b":1}',
    )
    expect(documentText(JSON.parse('{"__proto__":[1]}'))).toBe('{"__proto__":[1]}')
    expect(documentText(nested(100))).toHaveLength(201)
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'grapheme' }), (value) => {
        expect(JSON.parse(documentText(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { numRuns: 200 },
    )
  })

  test.each<[unknown, string]>([
    [{ a: [1n] }, 'the value at "a.0" is the bigint 1n, which JSON does not have'],
    [[undefined], 'the value at "0" is undefined, which JSON does not have'],
    [new Array(1), 'the value at "0" is undefined, which JSON does not have'],
    [{ n: Number.NaN }, 'the value at "n" is NaN, which JSON does not have'],
    [{ f: () => 1 }, 'the value at "f" is a function, which JSON does not have'],
    [new Map(), 'it is an object, which JSON does not have'],
    [
      { at: new Date(0) },
      'the value at "at" is the Date 1970-01-01T00:00:00.000Z, which JSON does not have: write it as text, with toISOString()',
    ],
    [{ s: '\ud800' }, 'the value at "s" has half a surrogate pair, which UTF-8 cannot hold'],
    [{ '\udc00': 1 }, 'the value at "\\u{dc00}" has half a surrogate pair, which UTF-8 cannot hold'],
    [nested(101), 'it is nested deeper than 100 levels, or in itself'],
    [cyclic, 'it is nested deeper than 100 levels, or in itself'],
  ])('%# refuses what is no JSON', (value, message) => {
    expect(() => documentText(value)).toThrow(new Error(message))
  })
})

test('headers are a document by name, and what is no UTF-8 is base64', () => {
  const headers = new Map([
    ['__proto__', Buffer.from('p')],
    ['trace', Buffer.from([0xff, 0])],
    ['none', null],
    ['é', Buffer.from('\u{1f4a5}')],
  ])
  expect(headersDocument(headers)).toEqual({
    json: '{"__proto__":"p","none":null,"trace":{"base64":"/wA="},"é":"\u{1f4a5}"}',
  })
})
