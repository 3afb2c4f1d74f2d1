import type { RawKey, RecordMeta } from '../model/record-meta.ts'
import type { ColumnValue } from '../model/values.ts'
import type { AggregateFunction } from './aggregate-function.ts'

/** A function of a record's value. Synchronous and pure: the same record gives the same result in every replay. */
export type Selector<T, V, Key = RawKey> = (value: T, meta: RecordMeta<Key>) => V

declare const types: unique symbol

/** An aggregate over values of type `T` with keys of type `Key`, whose column has type `V`. Made by `count()`, `sum(...)` and the like. */
export interface Aggregate<in T, out V extends ColumnValue, in Key = RawKey> {
  readonly fn: AggregateFunction
  readonly [types]?: (value: T, key: Key) => V
}

/** Hides the types of states: whoever makes an aggregate knows that it gets its own states back. */
export function aggregateOf<T, S, V extends ColumnValue, Key>(definition: {
  readonly kind: string
  readonly mergeRule: AggregateFunction['mergeRule']
  readonly scale?: number
  readonly select?: unknown
  zero(): S
  add(state: S, value: T, meta: RecordMeta<Key>): S
  merge(a: S, b: S): S
  result(state: S): V
}): Aggregate<T, V, Key> {
  return { fn: definition as unknown as AggregateFunction }
}
