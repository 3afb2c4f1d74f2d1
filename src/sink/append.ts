import type { ColumnValue } from '../model/values.ts'
import type { TableOfRows } from './create-table-option.ts'
import type { Sink } from './sink.ts'
import { SinkOptions } from './sink-options.ts'
import type { MetaField } from './sink-plan.ts'

const metaFields: readonly MetaField[] = ['topic', 'partition', 'offset', 'timestamp', 'key', 'headers']

export interface AppendOptions<Row> {
  /** The table, with its schema where it is not on the search path. */
  readonly table: string
  /** Column of each field that is not named like its column. */
  readonly columns?: { readonly [P in keyof NoInfer<Row>]?: string }
  /**
   * Columns that take the record's own coordinates: `topic` (text), `partition` (integer), `offset` (bigint),
   * `timestamp` (timestamptz), `key` (of the type that `decode(..., { key })` gives it; bytea for the key as it is),
   * `headers` (a document by name: text, null, or `{ "base64": ... }` for what is no UTF-8).
   */
  readonly meta?: Readonly<Partial<Record<MetaField, string>>>
  /**
   * Creates the table at the start where it does not exist, with the types that these fields say: every field of a
   * row; `meta` columns have their types already; `optional(...)` takes NULL. A table that exists is checked and never altered. @default the table is yours to create
   */
  readonly createTable?: TableOfRows<NoInfer<Row>>
}

/** What a row's fields may be: column values, or objects and arrays of JSON for columns of JSON. */
export type AppendRow<Row> = object & { readonly [P in keyof Row]: Storable<Row[P]> }

type Storable<V> = V extends ColumnValue | undefined ? V : V extends object ? JsonOf<V> : never

/** `V` itself where it is JSON; fields that are not are `never`. */
export type JsonOf<V> = V extends string | number | boolean | null | undefined
  ? V
  : V extends bigint | symbol | Date | Uint8Array | ((...args: never) => unknown)
    ? never
    : V extends object
      ? { readonly [P in keyof V]: JsonOf<V[P]> }
      : never

/**
 * Inserts every value as one row: its own fields are the columns. A field that is null or undefined writes NULL; a
 * field that the value does not have at all is left to the column's default. A record fails for which a field is an
 * function, NaN or infinite, or an object or array that is not JSON.
 * Objects and arrays of JSON are for columns of JSON, and travel as canonical text; a string is taken as it is.
 *
 * Text travels as UTF-8, so a lone surrogate becomes U+FFFD.
 * @throws OncesinkError CONFIGURATION_INVALID for a missing table or an unknown option
 */
export function append<Row extends AppendRow<Row>>(options: AppendOptions<Row>): Sink<Row> {
  const read = new SinkOptions('append', options, ['table', 'columns', 'meta', 'createTable'])
  const [table, columns, meta] = [read.name('table'), read.names('columns'), read.names('meta', metaFields)]
  return {
    plan: Object.freeze({ kind: 'append', table, columns, meta, createTable: read.fields('createTable') }),
  }
}
