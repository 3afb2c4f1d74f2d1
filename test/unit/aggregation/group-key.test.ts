import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareKeys, groupText, KeyColumns } from '../../../src/aggregation/group-key.ts'
import type { KeyValue } from '../../../src/model/values.ts'

const keyValues: fc.Arbitrary<KeyValue> = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', ':', ';', '1', 's', 'n', '\0', '-', '😀') }),
  fc.constantFrom('__proto__', 'constructor', '', '1', 'true', 'd0;'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => exact(value)),
  fc.integer({ min: -3, max: 3 }),
  fc.bigInt({ min: -3n, max: 3n }),
  fc.boolean(),
  fc.date({ noInvalidDate: true }),
)
/** Whole numbers as large as these are refused. */
const exact = (value: number) => Number.isSafeInteger(value) || !Number.isInteger(value)
const keyLists = fc.array(keyValues, { minLength: 1, maxLength: 3 })

const accept = (keys: readonly unknown[]) => keys.map((key, i) => new KeyColumns().accept(key, i))
const identity = (keys: readonly KeyValue[]) =>
  keys.map((key) => [typeof key, key instanceof Date ? key.getTime() : Object.is(key, -0) ? 0 : key])

const sameIdentity = (a: unknown[][], b: unknown[][]) => a.flat().every((part, i) => part === b.flat()[i])

describe('the text of a group', () => {
  test('is equal exactly when type and value of every key are', () => {
    fc.assert(
      fc.property(keyLists, keyLists, (a, b) => {
        fc.pre(a.length === b.length)
        const same = sameIdentity(identity(a), identity(b))
        expect(groupText(accept(a)) === groupText(accept(b))).toBe(same)
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    [
      ['a', 'bc'],
      ['ab', 'c'],
    ],
    [
      ['', 'a'],
      ['a', ''],
    ],
    [
      ['as', 'b'],
      ['a', 'sb'],
    ],
    [['1:a'], ['a']],
    [[1], ['1']],
    [[1], [1n]],
    [[5], [new Date(5)]],
    [['\0n1;'], [1]],
    [[true], ['t']],
  ])('tells %s from %s', (a, b) => {
    expect(groupText(accept(a))).not.toBe(groupText(accept(b)))
  })
})

describe('key columns', () => {
  test.each([
    [null, /NULLs as distinct/],
    [undefined, /NULLs as distinct/],
    [Number.NaN, /got NaN/],
    [Number.POSITIVE_INFINITY, /got Infinity/],
    [new Date(Number.NaN), /invalid Date/],
    ['a\ud83d', /lone surrogate/],
    [2 ** 53, /9007199254740992 is an integer beyond .*: decode them as strings or bigints/],
    [-(2 ** 53), /-9007199254740992 is an integer beyond/],
    [1e300, /is an integer beyond/],
    [Promise.resolve('a'), /synchronous/],
    [['a'], /got an array/],
    [{}, /got an object/],
    [Symbol('s'), /got a symbol/],
  ])('refuse %s with the reason', (value, reason) => {
    expect(() => accept([value])).toThrow(reason)
  })

  test('hold every column to its first type, each column for itself', () => {
    const columns = new KeyColumns()
    columns.accept('1', 0)
    columns.accept(1, 1)
    expect(() => columns.accept(1, 0)).toThrow(/one type in a job.*after values of type string/)
    expect(() => columns.accept(1n, 1)).toThrow(/after values of type number/)
    expect(columns.accept(2, 1)).toBe(2)
  })

  test('take every number that is exact: safe integers, and fractions', () => {
    const numbers = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0.5, 2 ** 51 + 0.5, -1e-300]
    expect(accept(numbers)).toEqual(numbers)
  })

  test('ids of 64 bits that JSON has made one number are refused, not put into one group', () => {
    const ids = ['9007199254740992', '9007199254740993'].map((text): unknown => JSON.parse(text))
    expect(ids[0]).toBe(ids[1])
    for (const id of ids) expect(() => accept([id])).toThrow(/different ids become the same number/)
    expect(new Set([2n ** 53n, 2n ** 53n + 1n].map((id) => groupText(accept([id])))).size).toBe(2)
  })

  test('a refused value does not decide the type', () => {
    const columns = new KeyColumns()
    expect(() => columns.accept(Number.NaN, 0)).toThrow()
    expect(columns.accept('a', 0)).toBe('a')
  })

  test('keep 0 for -0, and a copy of a Date', () => {
    expect(Object.is(accept([-0])[0], 0)).toBe(true)
    const date = new Date(5)
    const [kept] = accept([date])
    date.setTime(6)
    expect(kept).toEqual(new Date(5))
  })
})

describe('the order of keys', () => {
  test('is total for keys of one type: antisymmetric, transitive, and 0 only for equal keys', () => {
    const column = fc.constantFrom<fc.Arbitrary<KeyValue>>(
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.bigInt(),
      fc.boolean(),
      fc.date({ noInvalidDate: true }),
    )
    const triples = fc
      .tuple(column, column)
      .chain(([a, b]) => fc.array(fc.tuple(a, b), { minLength: 3, maxLength: 3 }))
    fc.assert(
      fc.property(triples, (rows) => {
        const [a, b, c] = rows.toSorted(compareKeys) as unknown as [KeyValue[], KeyValue[], KeyValue[]]
        expect(compareKeys(a, b) <= 0 && compareKeys(b, c) <= 0 && compareKeys(a, c) <= 0).toBe(true)
        expect(compareKeys(b, a)).toBe(-compareKeys(a, b) + 0)
        expect(compareKeys(a, b) === 0).toBe(
          groupText(a) === groupText(b) || sameIdentity(identity(a), identity(b)),
        )
      }),
    )
  })

  test('does not depend on the locale', () => {
    expect(
      ['ä', 'z', 'Z', 'a']
        .map((key) => [key])
        .sort(compareKeys)
        .flat(),
    ).toEqual(['Z', 'a', 'z', 'ä'])
  })
})
