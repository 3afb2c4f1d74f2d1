import type { RecordMeta } from '../model/record-meta.ts'
import type { ColumnValue } from '../model/values.ts'

/** How the column of an aggregate combines with the value already in the table. */
export type MergeRule = 'add' | 'least' | 'greatest'

/**
 * A commutative, associative aggregate. States are plain values (numbers, bigints, Dates, null, or plain objects
 * of these), so that partial results cross threads by structured clone.
 */
export interface AggregateFunction {
  /** `count`, `sum`, ...: part of the job's shape. */
  readonly kind: string
  readonly mergeRule: MergeRule
  /** Decimal digits after the point, where the aggregate has a scale: part of the shape. */
  readonly scale?: number
  /** The job's own function that says what of a record is added, where that is all that it says. */
  readonly select?: unknown
  zero(): unknown
  /** The state with one more record. Throws with the reason when the record's value is not acceptable. */
  add(state: unknown, value: unknown, meta: RecordMeta<unknown>): unknown
  /** The state of both. */
  merge(a: unknown, b: unknown): unknown
  /** What is written to the column, and given to `write` and `writeResult`. */
  result(state: unknown): ColumnValue
}
