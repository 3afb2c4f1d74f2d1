import { format, isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodePlain, encodePlain } from '../../../../src/strategy/file-handoff/plain-data.ts'

const there = (value: unknown) => decodePlain(JSON.parse(JSON.stringify(encodePlain(value, 'a value'))))

const leaf = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.double(),
  fc.boolean(),
  fc.bigInt(),
  fc.constantFrom(null, undefined, -0, Number.NaN, Number.POSITIVE_INFINITY),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array(),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
)
const name = fc.oneof(fc.string(), fc.constantFrom('__proto__', '$bigint', '$', 'constructor', 'toString'))
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(name, tie('any'), { maxKeys: 4 }),
    fc.array(fc.tuple(leaf, tie('any')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(leaf, { maxLength: 3 }).map((items) => new Set(items)),
  ),
})).any

test('every plain value comes back as what it was, to the sign of a zero and the type of its bytes', () => {
  fc.assert(
    fc.property(value, (given) => {
      expect(isDeepStrictEqual(there(given), given), format(given)).toBe(true)
    }),
  )
})

test('a date that is none comes back as one that is none', () => {
  // isDeepStrictEqual() takes two of them for different in Node 20.
  const back = there([new Date(Number.NaN)]) as Date[]
  expect(back).toStrictEqual([new Date(Number.NaN)])
})

test('a lone surrogate, and an object that looks like a tagged value, come back', () => {
  const hostile = [
    '\ud800',
    { $bigint: '1' },
    { $object: [] },
    { a: { $date: 5 } },
    JSON.parse('{"__proto__": 1}'),
  ]
  expect(there(hostile)).toStrictEqual(hostile)
})

test('what is no plain data is refused, with where it is', () => {
  class Money {}
  expect(() => encodePlain({ total: [new Money()] }, 'a row')).toThrow(
    "an element of field 'total' of a row is an instance of Money, which is no plain data",
  )
  expect(() => encodePlain({ f: () => 1 }, 'a row')).toThrow("field 'f' of a row is a function")
  expect(() => encodePlain(new Float64Array(1), 'a row')).toThrow('a row is an instance of Float64Array')
})

test('what this version does not write is refused', () => {
  expect(() => decodePlain({ $complex: 1 })).toThrow("there is no '$complex'")
  expect(() => decodePlain({ $bigint: '1', other: 2 })).toThrow("'$bigint' beside other fields")
})
