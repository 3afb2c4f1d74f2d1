import { OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import { isPlainObject } from '../model/plain-object.ts'
import type { RawKey, RecordMeta } from '../model/record-meta.ts'
import type { KeyValue } from '../model/values.ts'
import type { AppendRow } from './append.ts'
import type { TableOfUpsert } from './create-table-option.ts'
import type { UpsertSink } from './sink.ts'
import { SinkOptions } from './sink-options.ts'
import type { Tombstones, UpsertKey } from './sink-plan.ts'

/** Key columns that are fields of the row. */
export type RowKey<Row> = (keyof Row & string) | readonly [keyof Row & string, ...(keyof Row & string)[]]

/** Key columns by name, each from the meta data of its record. */
export type MetaKey<Key, Names extends string = string> = Readonly<
  Record<Names, (meta: RecordMeta<Key>) => KeyValue>
>

/** Nothing where the key is made of fields: all names, as far as inference can tell. */
type KeyNames<Names extends string> = string extends Names ? never : Names

export interface UpsertTable<Row, Names extends string = never> {
  /** The table, with its schema where it is not on the search path. */
  readonly table: string
  /** Column of each field, or of each key that is made of meta data, that is not named like its column. */
  readonly columns?: { readonly [P in keyof NoInfer<Row> | KeyNames<NoInfer<Names>>]?: string }
  /**
   * Creates the table at the start where it does not exist, with the types that these fields say: every field of a row
   * and every key that is made of meta data; the keys make the primary key, `optional(...)` takes NULL. A table that
   * exists is checked and never altered. @default the table is yours to create
   */
  readonly createTable?: TableOfUpsert<NoInfer<Row>, KeyNames<NoInfer<Names>>>
}

/**
 * What `upsert` is told. Where values may be null, `tombstones` must say what null means; to delete, the key has to be
 * made of meta data, because null has no fields.
 */
export type UpsertOptions<Row, Key = RawKey, Names extends string = never> = UpsertTable<
  NonNullable<Row>,
  Names
> &
  RowsFit<NonNullable<Row>> &
  (null extends Row
    ?
        | { readonly key: MetaKey<Key, Names>; readonly tombstones: Tombstones }
        | { readonly key: RowKey<NonNullable<Row>>; readonly tombstones: Exclude<Tombstones, 'delete'> }
    : { readonly key: MetaKey<Key, Names> | RowKey<NonNullable<Row>>; readonly tombstones?: Tombstones })

/** Nothing, where the rows are such as `append` takes. */
export type RowsFit<Row> = [Row] extends [AppendRow<Row>] ? unknown : RowsDoNotFit

/** What is missing where a value is no object of column values. */
export interface RowsDoNotFit {
  readonly 'a row is an object whose fields are column values or JSON': never
}

/**
 * Keeps the last value of each key as the row of that key. The row becomes what inserting the value would give: a field
 * that the value does not have gets its column's default where that is a constant, else NULL; only columns that the
 * server fills itself (identities, sequences, now()) keep what they have.
 *
 * `key` names the fields that are the key, or makes key columns of the record's meta data:
 * `{ id: (meta) => meta.key }`. They must be covered by a unique key of just these columns. A record fails for which a
 * key is null, undefined, NaN, infinite or an invalid Date, or of another type than the key had before; and where a row
 * has a field with the name of a key column, and another value in it.
 *
 * `tombstones` says what a value does that is null, as `decode(nullable(...))` gives it for records without a value: it
 * deletes the row of its key, is skipped, or fails the record (the default).
 *
 * "Last" is the order of the log inside a partition. A key that occurs in several partitions has no last record: within a
 * batch the partition that comes later in the order of topics and numbers wins, between batches the one that commits
 * later.
 *
 * @throws OncesinkError CONFIGURATION_INVALID for a missing table or key, or an unknown option
 */
export function upsert<Row, Key, Names extends string = never>(
  options: UpsertOptions<Row, Key, Names>,
): UpsertSink<Row, Key> {
  const read = new SinkOptions('upsert', options, ['table', 'key', 'tombstones', 'columns', 'createTable'])
  const { key, tombstones = 'fail' } = options as { readonly key?: unknown; readonly tombstones?: unknown }
  if (tombstones !== 'delete' && tombstones !== 'skip' && tombstones !== 'fail') {
    throw invalid(`'tombstones' must be 'delete', 'skip' or 'fail', but is ${describeValue(tombstones)}`)
  }
  const keys = keysOf(key)
  if (tombstones === 'delete' && keys.some(({ select }) => !select)) {
    throw invalid(
      "with tombstones: 'delete' the key is made of meta data, because null has no fields: " +
        'key: { id: (meta) => meta.key }',
    )
  }
  const [table, columns] = [read.name('table'), read.names('columns')]
  const createTable = read.fields('createTable')
  return { plan: Object.freeze({ kind: 'upsert', table, keys, tombstones, columns, createTable }) }
}

function keysOf(key: unknown): readonly UpsertKey[] {
  if (isPlainObject(key)) {
    const keys = Object.entries(key).map(([name, select]) => {
      if (typeof select !== 'function') {
        throw invalid(`'key.${name}' must be a function of meta data, but is ${describeValue(select)}`)
      }
      return Object.freeze({ name: checkName(name), select: select as UpsertKey['select'] })
    })
    if (keys.length > 0) return Object.freeze(keys)
  }
  const names: readonly unknown[] = Array.isArray(key) ? key : [key]
  if (names.length > 0 && names.every((name) => typeof name === 'string')) {
    const twice = names.find((name, i) => names.indexOf(name) !== i)
    if (twice !== undefined) throw invalid(`'key' names ${describeValue(twice)} twice`)
    return Object.freeze(names.map((name) => Object.freeze({ name: checkName(name), select: null })))
  }
  throw invalid(
    `'key' must be a field, an array of fields, or an object of functions of meta data, but is ${describeValue(key)}`,
  )
}

function checkName(name: string): string {
  if (name !== '' && name !== '__proto__' && !name.includes('\0')) return name
  throw invalid(`'key' cannot have the name ${describeValue(name)}`)
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `upsert(): ${message}.`)
}
