import type { MergeSink } from './sink.ts'
import { SinkOptions } from './sink-options.ts'

export interface MergeOptions<Row> {
  /** The table, with its schema where it is not on the search path: `orders_by_item` or `sales.orders_by_item`. */
  readonly table: string
  /** Column of each key or aggregate that is not named like its column. */
  readonly columns?: { readonly [P in keyof NoInfer<Row>]?: string }
}

/**
 * Adds aggregates to the rows that the table has for their keys, and inserts rows for new keys. What adding means
 * follows from the aggregates. The key columns must be covered by a unique key of just these columns.
 * @throws OncesinkError CONFIGURATION_INVALID for a missing table or an unknown option
 */
export function merge<Row, Keys extends string>(options: MergeOptions<Row>): MergeSink<Row, Keys> {
  const read = new SinkOptions('merge', options, ['table', 'columns'])
  return { plan: Object.freeze({ kind: 'merge', table: read.name('table'), columns: read.names('columns') }) }
}
