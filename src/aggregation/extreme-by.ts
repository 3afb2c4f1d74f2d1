import { OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import type { RawKey } from '../model/record-meta.ts'
import type { KeyValue } from '../model/values.ts'
import { type Aggregate, aggregateOf, type Selector } from './aggregate.ts'
import { type CompoundAggregate, compoundOf } from './compound-aggregate.ts'
import { type Comparable, comparableOf, extreme } from './extreme.ts'
import { compareKeys, keyTypeOf } from './group-key.ts'
import { refuseUnknownOptions } from './refuse-unknown-options.ts'
import { compareCodePoints } from './text-order.ts'

export interface ExtremeByOptions<T, B extends Comparable, Key = RawKey> {
  /** What decides which value stays: finite numbers, bigints or Dates, of one type. */
  readonly by: Selector<T, B | null | undefined, Key>
}

/** Columns of `maxBy` and `minBy`, by what stands after their name. */
export type ExtremeByColumns<V extends KeyValue, B extends Comparable> = Readonly<
  Record<'', V | null> & Record<'_by', B | null>
>

/**
 * The value of the record with the largest `by`, in two columns: `x: maxBy(...)` gives `x`, the value, and `x_by`, the
 * `by` that it was chosen for. Of several records with one `by` the largest value stays (text by code points, false
 * before true, null before everything), so that it does not matter in which order they come.
 *
 * Records without a `by` (null or undefined) are ignored. Values are text, finite numbers, bigints, booleans or Dates, of
 * one type, or null. The column `x_by` is BIGINT, NUMERIC without a scale or TIMESTAMPTZ: it must tell apart what the job
 * tells apart.
 *
 * @throws OncesinkError CONFIGURATION_INVALID for a `by` that is no function, or an unknown option
 */
export function maxBy<T, V extends KeyValue, B extends Comparable, Key>(
  select: Selector<T, V | null | undefined, Key>,
  options: ExtremeByOptions<T, B, Key>,
): CompoundAggregate<T, ExtremeByColumns<V, B>, Key> {
  return extremeBy('maxBy', 'greatest', (a, b) => a > b, select, options)
}

/** The value of the record with the smallest `by`; see {@link maxBy}, also for records with one `by`. */
export function minBy<T, V extends KeyValue, B extends Comparable, Key>(
  select: Selector<T, V | null | undefined, Key>,
  options: ExtremeByOptions<T, B, Key>,
): CompoundAggregate<T, ExtremeByColumns<V, B>, Key> {
  return extremeBy('minBy', 'least', (a, b) => a < b, select, options)
}

interface Candidate {
  readonly by: Comparable
  readonly value: KeyValue | null
}

function extremeBy<T, V extends KeyValue, B extends Comparable, Key>(
  kind: 'maxBy' | 'minBy',
  mergeRule: 'greatest' | 'least',
  wins: (a: Comparable, b: Comparable) => boolean,
  select: Selector<T, V | null | undefined, Key>,
  options: ExtremeByOptions<T, B, Key>,
): CompoundAggregate<T, ExtremeByColumns<V, B>, Key> {
  refuseUnknownOptions(kind, options, ['by'])
  const by = options?.by
  if (typeof by !== 'function') {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `${kind} needs { by: (value) => ... }, but got ${describeValue(by)} for by.`,
    )
  }
  const name = `'by' of ${kind}`
  const better = (state: Candidate | null, candidate: Candidate | null): Candidate | null => {
    if (!state || !candidate) return state ?? candidate
    if (wins(candidate.by, state.by)) return candidate
    if (wins(state.by, candidate.by)) return state
    return largerValue(kind, candidate.value, state.value) ? candidate : state
  }
  const value: Aggregate<T, V | null, Key> = aggregateOf<T, Candidate | null, V | null, Key>({
    kind,
    mergeRule,
    zero: () => null,
    add(state, record, meta) {
      const order = comparableOf(name, by(record, meta))
      return order === null
        ? state
        : better(state, { by: order, value: keptValue(kind, select(record, meta)) })
    },
    merge: better,
    result: (state) => (state?.value ?? null) as V | null,
  })
  return compoundOf<T, ExtremeByColumns<V, B>, Key>(
    { '': value, _by: extreme({ kind: `${kind}.by`, name, mergeRule, wins }, by) },
    { '': '_by' },
  )
}

function largerValue(kind: string, a: KeyValue | null, b: KeyValue | null): boolean {
  if (a === null || b === null) return b === null && a !== null
  if (keyTypeOf(a) !== keyTypeOf(b)) {
    throw new Error(
      `${kind} chooses among values of one type, but got ${describeValue(a)} and ${describeValue(b)}`,
    )
  }
  if (typeof a === 'string' && typeof b === 'string') return compareCodePoints(a, b) > 0
  return compareKeys([a], [b]) > 0
}

/** What is kept: -0 as 0, Dates as copies. */
function keptValue(kind: string, value: unknown): KeyValue | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value + 0
  if (value instanceof Date && !Number.isNaN(value.getTime())) return new Date(value.getTime())
  throw new Error(
    `${kind} chooses among texts, finite numbers, bigints, booleans and valid Dates, but got ${describeValue(value)}`,
  )
}
