import type { RecordMeta } from '../model/record-meta.ts'
import type { KeyValue } from '../model/values.ts'

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

/** Coordinates of the record that a row was made of, kept only where the sink writes them. */
export type RowOrigin = Pick<RecordMeta, 'topic' | 'partition' | 'offset' | 'timestampMs'>
