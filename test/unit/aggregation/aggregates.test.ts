import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Aggregate } from '../../../src/aggregation/aggregate.ts'
import { avg } from '../../../src/aggregation/avg.ts'
import { count } from '../../../src/aggregation/count.ts'
import { max, min } from '../../../src/aggregation/extreme.ts'
import { maxBy, minBy } from '../../../src/aggregation/extreme-by.ts'
import { sum } from '../../../src/aggregation/sum.ts'
import { sumDecimal } from '../../../src/aggregation/sum-decimal.ts'
import { sumDouble } from '../../../src/aggregation/sum-double.ts'
import type { ColumnValue, KeyValue } from '../../../src/model/values.ts'
import { metaAt } from './meta.ts'

/** State after adding `values` to zero. */
function fold<T>({ fn }: Aggregate<T, ColumnValue>, values: readonly T[]): unknown {
  return values.reduce((state, value) => fn.add(state, value, metaAt()), fn.zero())
}

/** Result of adding `values` one after another. */
function aggregated<T>(aggregate: Aggregate<T, ColumnValue>, values: readonly T[]): ColumnValue {
  return aggregate.fn.result(fold(aggregate, values))
}

/** Values, where to cut them, and in which order to merge the pieces. */
function cuts<T>(value: fc.Arbitrary<T>) {
  return fc
    .array(fc.array(value, { maxLength: 5 }), { maxLength: 6 })
    .chain((pieces) =>
      fc.tuple(fc.constant(pieces), fc.shuffledSubarray(pieces, { minLength: pieces.length })),
    )
}

/** Any cutting of the input, merged in any order, gives what adding one after another gives. */
function expectCutsDoNotShow<T>(
  value: fc.Arbitrary<T>,
  aggregate: Aggregate<T, ColumnValue>,
  oracle: (values: T[]) => ColumnValue,
) {
  fc.assert(
    fc.property(cuts(value), ([pieces, shuffled]) => {
      const { fn } = aggregate
      const merged = shuffled
        .map((piece) => structuredClone(fold(aggregate, piece)))
        .reduce(fn.merge, fn.zero())
      const expected = oracle(pieces.flat())
      expect(fn.result(merged)).toStrictEqual(expected)
      expect(aggregated(aggregate, pieces.flat())).toStrictEqual(expected)
    }),
    { numRuns: 300 },
  )
}

const safeIntegers = fc.oneof(
  fc.maxSafeInteger(),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, -0, 0, 1),
)

describe('count', () => {
  test('counts the records of any cutting', () => {
    expectCutsDoNotShow(fc.anything(), count(), (values) => values.length)
  })
})

describe('sum', () => {
  test('is exact beyond the safe integers, for any cutting', () => {
    const aggregate = sum((value: number | bigint) => value)
    const terms = fc.oneof(safeIntegers, fc.bigInt({ min: -(2n ** 57n), max: 2n ** 57n }))
    expectCutsDoNotShow(terms, aggregate, (values) => values.reduce<bigint>((a, b) => a + BigInt(b), 0n))
  })

  test('overflow is an error of the result, whatever the order of adding', () => {
    const aggregate = sum((value: bigint) => value)
    const limit = 2n ** 63n - 1n
    expect(aggregated(aggregate, [limit, 5n, -5n])).toBe(limit)
    expect(aggregated(aggregate, [-limit, -1n])).toBe(-(2n ** 63n))
    expect(() => aggregated(aggregate, [limit, 1n])).toThrow(/does not fit a BIGINT/)
    expect(() => aggregated(aggregate, [-limit, -2n])).toThrow(/does not fit a BIGINT/)
  })

  test.each([
    [1.5, /use sumDecimal/],
    [2 ** 53, /use a bigint/],
    [Number.NaN, /got NaN/],
    [Number.POSITIVE_INFINITY, /got Infinity/],
    ['1', /got the string "1"/],
    [null, /got null/],
    [undefined, /got undefined/],
    [Promise.resolve(1), /synchronous/],
  ])('%s is refused with the reason', (value, reason) => {
    expect(() =>
      aggregated(
        sum(() => value as number),
        [0],
      ),
    ).toThrow(reason)
  })
})

describe('sumDecimal', () => {
  test('is exact for any cutting, against integers of cents', () => {
    const aggregate = sumDecimal((cents: number) => cents / 100, { scale: 2 })
    const cents = fc.integer({ min: -(10 ** 14), max: 10 ** 14 })
    expectCutsDoNotShow(cents, aggregate, (values) => centsText(values.reduce((a, b) => a + BigInt(b), 0n)))
  })

  test('adds numbers, bigints and strings', () => {
    expect(
      aggregated(
        sumDecimal((v: number | bigint | string) => v, { scale: 2 }),
        [0.1, 0.2, 10n ** 20n, '-0.30'],
      ),
    ).toBe('100000000000000000000.00')
  })

  test.each([-1, 31, 1.5, '2', undefined])('scale %s is refused', (scale) => {
    expect(() => sumDecimal(() => 1, { scale: scale as number })).toThrow(/an integer from 0 to 30/)
  })
})

describe('sumDouble', () => {
  const aggregate = sumDouble((value: number) => value)

  test('is a sum of doubles, near the exact one for any cutting', () => {
    const eighths = fc.integer({ min: -(10 ** 9), max: 10 ** 9 }).map((n) => n / 8)
    expectCutsDoNotShow(eighths, aggregate, (values) => values.reduce((a, b) => a + b, 0))
    expect(aggregated(aggregate, [0.1, 0.2])).toBe(0.1 + 0.2)
    expect(aggregated(aggregate, [])).toBe(0)
  })

  test.each([
    [Number.NaN, /got NaN/],
    [Number.POSITIVE_INFINITY, /got Infinity/],
    [Number.NEGATIVE_INFINITY, /got -Infinity/],
    [1n, /use sum for integers/],
    ['1', /got the string "1"/],
    [null, /got null/],
  ])('%s is refused with the reason', (value, reason) => {
    expect(() => aggregated(aggregate, [value as number])).toThrow(reason)
  })

  test('overflow is an error of the result', () => {
    expect(() => aggregated(aggregate, [Number.MAX_VALUE, Number.MAX_VALUE])).toThrow(/larger than a double/)
    const { fn } = aggregate
    const infinite = fn.merge(-Number.MAX_VALUE, -Number.MAX_VALUE)
    expect(() => fn.result(fn.merge(infinite, -(infinite as number)))).toThrow(/larger than a double/)
  })
})

describe('avg', () => {
  const partsOf = <T>(select: (value: T) => number | string | null | undefined) =>
    Object.fromEntries(avg(select, { scale: 2 }).parts.map(({ suffix, fn }) => [suffix, { fn }]))
  const parts = partsOf((value: number | null | undefined) => value)
  const part = (suffix: string) => {
    const found = parts[suffix]
    if (!found) throw new Error(`avg has the part ${suffix}`)
    return found
  }

  test('is the exact sum and the number of values in any cutting; null and undefined are no values', () => {
    expect(Object.keys(parts)).toEqual(['_sum', '_count'])
    const values = fc.option(fc.integer({ min: -(10 ** 9), max: 10 ** 9 }).map((cents) => cents / 100))
    const known = (all: (number | null)[]) => all.flatMap((v) => v ?? [])
    expectCutsDoNotShow(values, part('_count'), (all) => known(all).length)
    expectCutsDoNotShow(values, part('_sum'), (all) =>
      centsText(known(all).reduce((sum, v) => sum + BigInt(Math.round(v * 100)), 0n)),
    )
    expect(aggregated(part('_count'), [undefined, 0, null])).toBe(1)
    expect(aggregated(part('_sum'), [undefined, null])).toBe('0.00')
  })

  test('refuses what sumDecimal refuses', () => {
    expect(() => aggregated(part('_sum'), [1.234])).toThrow(/more than 2 digits/)
    expect(() => avg(() => 1, {} as never)).toThrow(/an integer from 0 to 30/)
  })
})

describe('min and max', () => {
  const doubles = fc.double({ noNaN: true, noDefaultInfinity: true })
  const values = fc.option(doubles.filter((value) => Number.isSafeInteger(value) || !Number.isInteger(value)))

  test('numbers: the extreme of any cutting; nulls are ignored, nothing gives null, -0 is 0', () => {
    const numbers = (all: (number | null)[]) => all.flatMap((v) => (v === null ? [] : [v + 0]))
    expectCutsDoNotShow(
      values,
      max((v: number | null) => v),
      (all) => (numbers(all).length ? Math.max(...numbers(all)) : null),
    )
    expectCutsDoNotShow(
      values,
      min((v: number | null) => v),
      (all) => (numbers(all).length ? Math.min(...numbers(all)) : null),
    )
  })

  test('Dates and bigints', () => {
    const dates = fc.date({ noInvalidDate: true })
    expectCutsDoNotShow(
      dates,
      max((d: Date) => d),
      (all) => (all.length ? new Date(Math.max(...all.map(Number))) : null),
    )
    expectCutsDoNotShow(
      fc.bigInt(),
      min((n: bigint) => n),
      (all) => all.toSorted((a, b) => (a < b ? -1 : 1))[0] ?? null,
    )
  })

  test('0 and -0 give 0, whichever comes first', () => {
    const aggregate = min((v: number) => v)
    expect([aggregated(aggregate, [0, -0]), aggregated(aggregate, [-0, 0])]).toEqual([0, 0])
  })

  test('the outermost safe integers are taken', () => {
    const numbers = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
    expect(
      aggregated(
        max((v: number) => v),
        numbers,
      ),
    ).toBe(Number.MAX_SAFE_INTEGER)
    expect(
      aggregated(
        min((v: number) => v),
        numbers,
      ),
    ).toBe(Number.MIN_SAFE_INTEGER)
  })

  test('undefined is ignored like null', () => {
    expect(
      aggregated(
        max((v: number | undefined) => v),
        [undefined, 1],
      ),
    ).toBe(1)
  })

  test('a Date that changes afterwards does not change the state', () => {
    const date = new Date(5)
    const state = fold(
      max((d: Date) => d),
      [date],
    )
    date.setTime(99)
    expect(state).toEqual(new Date(5))
  })

  test('values of two types are an error, also when they meet in a merge', () => {
    const { fn } = max((v: number | bigint | Date) => v)
    expect(() => aggregated({ fn }, [1, 2n])).toThrow(/one type/)
    expect(() => fn.merge(1, new Date(5))).toThrow(/one type/)
  })

  test.each([
    ['a', /collation/],
    [Number.NaN, /NaN/],
    [Number.NEGATIVE_INFINITY, /-Infinity/],
    [
      2 ** 53,
      /9007199254740992, an integer beyond Number.MAX_SAFE_INTEGER.*decode them as strings or bigints/,
    ],
    [-(2 ** 53), /-9007199254740992, an integer beyond/],
    [new Date(Number.NaN), /invalid Date/],
    [true, /got true/],
    [{}, /got an object/],
  ])('%s is refused with the reason', (value, reason) => {
    expect(() =>
      aggregated(
        min(() => value as number),
        [0],
      ),
    ).toThrow(reason)
  })
})

describe('maxBy and minBy', () => {
  type Item = readonly [value: KeyValue | null | undefined, by: number | null | undefined]
  const partsOf = (factory: typeof maxBy | typeof minBy) =>
    factory(([value]: Item) => value, { by: ([, by]: Item) => by }).parts.map(({ fn }) => ({ fn }))
  const result = (factory: typeof maxBy | typeof minBy, items: readonly Item[]) =>
    partsOf(factory).map((part) => aggregated(part, items))

  test('keep the value of the largest or smallest by, and that by', () => {
    const items: Item[] = [
      ['b', 2],
      ['z', null],
      ['c', 3],
      ['a', 1],
    ]
    expect(result(maxBy, items)).toEqual(['c', 3])
    expect(result(minBy, items)).toEqual(['a', 1])
    expect(result(maxBy, [['z', undefined]])).toEqual([null, null])
    expect(result(maxBy, [[undefined, 5], ...items])).toEqual([null, 5])
  })

  test('of one by the largest value stays, null before everything, in any cutting', () => {
    const items = fc.tuple(
      fc.option(fc.constantFrom('a', 'B', 'ä', '\ufffd', '😀')),
      fc.option(fc.constantFrom(0, -0, 1, -1)),
    )
    const best = (all: Item[], sign: 1 | -1) => {
      const known = all.filter((item): item is [string | null, number] => item[1] !== null)
      const by = known.length ? sign * Math.max(...known.map((item) => sign * item[1])) + 0 : null
      const values = known.flatMap(([value, own]) => (value !== null && own === by ? [value] : []))
      const value = values.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).at(-1) ?? null
      return [value, by]
    }
    for (const [factory, sign] of [[maxBy, 1] as const, [minBy, -1] as const]) {
      for (const [i, part] of partsOf(factory).entries()) {
        expectCutsDoNotShow(items, part, (all) => best(all, sign)[i] ?? null)
      }
    }
  })

  test.each<[unknown, unknown, RegExp]>([
    ['a', 'b', /'by' of maxBy compares finite numbers.*collation/],
    ['a', Number.NaN, /'by' of maxBy compares/],
    [Number.NaN, 1, /chooses among .*got NaN/],
    [new Date(Number.NaN), 1, /invalid Date/],
    [{}, 1, /got an object/],
    [Promise.resolve(1), 1, /synchronous/],
  ])('%s by %s is refused with the reason', (value, by, reason) => {
    expect(() => result(maxBy, [[value as string, by as number]])).toThrow(reason)
  })

  test('values of two types that meet are an error', () => {
    expect(() =>
      result(maxBy, [
        ['1', 1],
        [1, 1],
      ]),
    ).toThrow(/values of one type/)
  })

  test('without by is refused', () => {
    expect(() => maxBy(() => 1, undefined as never)).toThrow(/maxBy needs \{ by/)
    expect(() => minBy(() => 1, { by: 'at' } as never)).toThrow(/minBy needs \{ by/)
  })
})

test('merge rules follow from the aggregates', () => {
  const rules = [count(), sum(() => 1), sumDecimal(() => 1, { scale: 0 }), min(() => 1), max(() => 1)]
  expect(rules.map(({ fn }) => [fn.kind, fn.mergeRule, fn.scale])).toEqual([
    ['count', 'add', undefined],
    ['sum', 'add', undefined],
    ['sumDecimal', 'add', 0],
    ['min', 'least', undefined],
    ['max', 'greatest', undefined],
  ])
})

function centsText(cents: bigint): string {
  const digits = String(cents < 0n ? -cents : cents).padStart(3, '0')
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}
