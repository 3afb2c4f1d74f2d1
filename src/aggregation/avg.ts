import type { RecordMeta } from '../model/record-meta.ts'
import { type Aggregate, aggregateOf, type Selector } from './aggregate.ts'
import { type CompoundAggregate, compoundOf } from './compound-aggregate.ts'
import { refuseUnknownOptions } from './refuse-unknown-options.ts'
import { type SumDecimalOptions, sumDecimal } from './sum-decimal.ts'

/** Columns of `avg`, by what stands after its name. */
export type AverageColumns = Readonly<Record<'_sum', string> & Record<'_count', number>>

/**
 * What an average is made of, in two columns, because averages cannot be added up: `x: avg(...)` gives `x_sum`, as
 * `sumDecimal` does, and `x_count`, the number of values, for a BIGINT column. The average is
 * `x_sum / nullif(x_count, 0)`, in a view or in the query that reads the table.
 *
 * Null and undefined are no values: they count in neither column. A record fails for every other value that
 * `sumDecimal` refuses.
 *
 * @throws OncesinkError CONFIGURATION_INVALID for a scale that is not an integer from 0 to 30, or an unknown option
 */
export function avg<T, Key>(
  select: Selector<T, number | bigint | string | null | undefined, Key>,
  options: SumDecimalOptions,
): CompoundAggregate<T, AverageColumns, Key> {
  refuseUnknownOptions('avg', options, ['scale'])
  return compoundOf<T, AverageColumns, Key>({
    // What is no value adds nothing; a selector of the job runs once per column and is pure.
    _sum: sumDecimal((value: T, meta: RecordMeta<Key>) => select(value, meta) ?? 0, options),
    _count: countValues(select),
  })
}

/** Number of records whose value is neither null nor undefined. Needs a BIGINT column. */
function countValues<T, Key>(select: Selector<T, unknown, Key>): Aggregate<T, number, Key> {
  return aggregateOf<T, number, number, Key>({
    kind: 'countValues',
    mergeRule: 'add',
    zero: () => 0,
    add: (state, value, meta) => ((select(value, meta) ?? null) === null ? state : state + 1),
    merge: (a, b) => a + b,
    result: (state) => state,
  })
}
