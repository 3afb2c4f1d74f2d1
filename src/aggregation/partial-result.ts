import type { RecordMeta } from '../model/record-meta.ts'
import type { RowText } from '../model/row-text.ts'
import type { ColumnValue, JsonText, KeyValue } from '../model/values.ts'

/** One group: its key values in the order of the plan's keys, and one state per aggregate. */
export interface Group {
  readonly keys: readonly KeyValue[]
  readonly states: unknown[]
}

/**
 * What one pipeline made of one partition's range. Plain data: it can be sent between threads.
 * Merging the partial results of a batch in partition order gives the pipeline's result for the batch.
 */
export type PartialResult =
  | { readonly kind: 'groups'; readonly groups: Map<string, Group> }
  | { readonly kind: 'reduced'; readonly value: unknown }
  | { readonly kind: 'rows'; readonly rows: unknown[]; readonly metas: RowOrigin[] | null }
  | {
      /** Rows that are text already. */
      readonly kind: 'row text'
      /** The rows' own fields: the first columns of the text. */
      readonly fields: readonly string[]
      /** What the columns after them say of the rows' records. */
      readonly metas: readonly PlainMeta[]
      readonly text: RowText
    }
  | {
      readonly kind: 'latest'
      /** Names of the key columns. */
      readonly names: readonly string[]
      readonly latest: Map<string, LatestRow>
    }

/** The last value of one key: its row, or null where the row is to go. */
export interface LatestRow {
  readonly keys: readonly KeyValue[]
  readonly row: Readonly<Record<string, ColumnValue | undefined>> | null
  /** Where its record is. */
  readonly topic: string
  readonly partition: number
}

/** Coordinates of a record that are just text or a number. */
export type PlainMeta = 'topic' | 'partition' | 'offset' | 'timestamp'

/** Coordinates of the record that a row was made of: those that the sink writes, at least. */
export interface RowOrigin
  extends Partial<Pick<RecordMeta, 'topic' | 'partition' | 'offset' | 'timestampMs'>> {
  readonly key?: ColumnValue
  readonly headers?: JsonText
}
