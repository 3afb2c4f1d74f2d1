import type { RawKey } from '../model/record-meta.ts'
import type { ColumnValue } from '../model/values.ts'
import type { Aggregate } from './aggregate.ts'
import type { AggregateFunction } from './aggregate-function.ts'

declare const types: unique symbol

/**
 * An aggregate of several columns over values of type `T`. In the row every column is called like the aggregate
 * followed by its suffix: `Columns` maps suffixes to the types of their columns. Made by `avg(...)` and the like.
 */
export interface CompoundAggregate<
  in T,
  out Columns extends Readonly<Record<string, ColumnValue>>,
  in Key = RawKey,
> {
  readonly parts: readonly CompoundPart[]
  readonly [types]?: (value: T, key: Key) => Columns
}

export interface CompoundPart {
  readonly suffix: string
  readonly fn: AggregateFunction
  /** Suffix of the part that decides which value this one keeps. */
  readonly by?: string
}

/** The compound of one aggregate per suffix. `by` has the suffix of the part that decides, for parts that do not. */
export function compoundOf<T, Columns extends Readonly<Record<string, ColumnValue>>, Key>(
  parts: { readonly [S in keyof Columns]: Aggregate<T, Columns[S], Key> },
  by: Readonly<Record<string, string>> = {},
): CompoundAggregate<T, Columns, Key> {
  const entries = Object.entries<Aggregate<T, ColumnValue, Key>>(parts)
  return {
    parts: entries.map(([suffix, { fn }]) => {
      const decides = by[suffix]
      return decides === undefined ? { suffix, fn } : { suffix, fn, by: decides }
    }),
  }
}
