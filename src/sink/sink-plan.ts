import type { Knex } from 'knex'
import type { Field } from '../fields/field.ts'
import type { BatchInfo } from '../model/micro-batch.ts'
import type { RecordMeta } from '../model/record-meta.ts'

/** What a sink's rows mean. No SQL here: database/ knows how an engine does it. */
export type SinkPlan = MergePlan | UpsertPlan | AppendPlan | WritePlan | WriteResultPlan

/** Aggregates are added to the rows that the table already has for their keys. */
export interface MergePlan {
  readonly kind: 'merge'
  readonly table: string
  /** Column of each row field that is not named like its column. */
  readonly columns: Readonly<Record<string, string>>
  /** What columns hold whose table is created where it is missing, by row field; null: it is never created. */
  readonly createTable: Readonly<Record<string, Field<unknown>>> | null
}

/** The last value of each key is its row. */
export interface UpsertPlan {
  readonly kind: 'upsert'
  readonly table: string
  readonly keys: readonly UpsertKey[]
  readonly tombstones: Tombstones
  readonly columns: Readonly<Record<string, string>>
  /** As with {@link MergePlan}. */
  readonly createTable: Readonly<Record<string, Field<unknown>>> | null
}

export interface UpsertKey {
  readonly name: string
  /** Null where the key is the row's field of this name. */
  readonly select: ((meta: RecordMeta<unknown>) => unknown) | null
}

/** What a value does that is null: deletes the row of its key, nothing, or fails its record. */
export type Tombstones = 'delete' | 'skip' | 'fail'

/** Every value becomes one row. */
export interface AppendPlan {
  readonly kind: 'append'
  readonly table: string
  readonly columns: Readonly<Record<string, string>>
  /** Columns that take the record's own coordinates. */
  readonly meta: Readonly<Partial<Record<MetaField, string>>>
  /** As with {@link MergePlan}. */
  readonly createTable: Readonly<Record<string, Field<unknown>>> | null
}

/** Fields of a record's meta data that `append` can write. */
export type MetaField = 'topic' | 'partition' | 'offset' | 'timestamp' | 'key' | 'headers'

/** The user's own statements, in the transaction of the offsets. */
export interface WritePlan {
  readonly kind: 'write'
  readonly write: (trx: Knex, rows: readonly never[], batch: BatchInfo) => Promise<unknown>
}

/** Like `write`, with the result of a `reduce`. */
export interface WriteResultPlan {
  readonly kind: 'writeResult'
  readonly write: (trx: Knex, result: never, batch: BatchInfo) => Promise<unknown>
}
