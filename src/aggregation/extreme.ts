import { describeValue } from '../model/excerpt.ts'
import { type Aggregate, aggregateOf, type Selector } from './aggregate.ts'
import { isInexactInteger } from './exact-integer.ts'

/** What `min` and `max` compare. */
export type Comparable = number | bigint | Date

type Extreme = Comparable | null

/**
 * Smallest value. Accepts finite numbers, bigints and Dates, one of these types per aggregate; null and undefined are
 * ignored, and a group of nothing else gives null. Text is refused: its order depends on the database's collation.
 * Integers beyond Number.MAX_SAFE_INTEGER are refused as numbers, which do not hold them exactly: use bigints.
 */
export function min<T, X extends Comparable, Key>(
  select: Selector<T, X | null | undefined, Key>,
): Aggregate<T, X | null, Key> {
  return extreme({ kind: 'min', name: 'min', mergeRule: 'least', wins: (a, b) => a < b }, select)
}

/** Largest value; see {@link min}. */
export function max<T, X extends Comparable, Key>(
  select: Selector<T, X | null | undefined, Key>,
): Aggregate<T, X | null, Key> {
  return extreme({ kind: 'max', name: 'max', mergeRule: 'greatest', wins: (a, b) => a > b }, select)
}

interface Direction {
  readonly kind: string
  /** What compares, in messages. */
  readonly name: string
  readonly mergeRule: 'least' | 'greatest'
  readonly wins: (a: Comparable, b: Comparable) => boolean
}

export function extreme<T, X extends Comparable, Key>(
  { kind, name, mergeRule, wins }: Direction,
  select: Selector<T, X | null | undefined, Key>,
): Aggregate<T, X | null, Key> {
  const better = (state: Extreme, candidate: Extreme): Extreme => {
    if (candidate === null) return state
    if (state === null) return candidate
    if (typeof state !== typeof candidate) {
      throw new Error(
        `${name} compares values of one type, but got ${describeValue(candidate)} after ${describeValue(state)}`,
      )
    }
    return wins(candidate, state) ? candidate : state
  }
  return aggregateOf<T, Extreme, X | null, Key>({
    kind,
    mergeRule,
    zero: () => null,
    add: (state, value, meta) => better(state, comparableOf(name, select(value, meta))),
    merge: better,
    result: (state) => state as X | null,
  })
}

/**
 * What is kept: -0 as 0, Dates as copies, undefined as null.
 * @throws Error with the reason when `value` cannot be compared
 */
export function comparableOf(name: string, value: unknown): Comparable | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return value
  if (typeof value === 'number' && isInexactInteger(value)) {
    throw new Error(
      `${name} got ${value}, an integer beyond Number.MAX_SAFE_INTEGER, where different integers become the same ` +
        'number: decode them as strings or bigints, and give bigints here',
    )
  }
  // Adding 0 turns -0 into 0: they are equal, so which of them stays must not depend on the order.
  if (typeof value === 'number' && Number.isFinite(value)) return value + 0
  if (value instanceof Date && !Number.isNaN(value.getTime())) return new Date(value.getTime())
  const hint = typeof value === 'string' ? ': the order of text depends on the collation of the database' : ''
  throw new Error(
    `${name} compares finite numbers, bigints and valid Dates, but got ${describeValue(value)}${hint}`,
  )
}
