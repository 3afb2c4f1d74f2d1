import type { TableOfMerge } from './create-table-option.ts'
import type { MergeSink } from './sink.ts'
import { SinkOptions } from './sink-options.ts'

export interface MergeOptions<Row, Keys extends string = never> {
  /** The table, with its schema where it is not on the search path: `orders_by_item` or `sales.orders_by_item`. */
  readonly table: string
  /** Column of each key or aggregate that is not named like its column. */
  readonly columns?: { readonly [P in keyof NoInfer<Row>]?: string }
  /**
   * Creates the table at the start where it does not exist, with the types that these fields say: every key, which
   * makes the primary key, and every `min`, `max`, `minBy` and `maxBy` with its `by`. Counts and sums have their types
   * already. A table that exists is checked and never altered. @default the table is yours to create
   */
  readonly createTable?: TableOfMerge<NoInfer<Row>, NoInfer<Keys>>
}

/**
 * Adds aggregates to the rows that the table has for their keys, and inserts rows for new keys. What adding means
 * follows from the aggregates. The key columns must be covered by a unique key of just these columns.
 * @throws OncesinkError CONFIGURATION_INVALID for a missing table or an unknown option
 */
export function merge<Row, Keys extends string>(options: MergeOptions<Row, Keys>): MergeSink<Row, Keys> {
  const read = new SinkOptions('merge', options, ['table', 'columns', 'createTable'])
  return {
    plan: Object.freeze({
      kind: 'merge',
      table: read.name('table'),
      columns: read.names('columns'),
      createTable: read.fields('createTable'),
    }),
  }
}
