import type { TopicPartition } from './topic-partition.ts'

/**
 * A half-open range of one partition's offsets: `from` is inclusive, `until` is exclusive.
 *
 * `until` is the next offset to read. Offsets are not dense (compaction, control batches, aborted records), so
 * `until - from` is not a number of records.
 */
export interface OffsetRange extends TopicPartition {
  readonly from: bigint
  readonly until: bigint
}

/** How a range is written in messages: `orders/0 [10, 20)`. */
export function formatRange(range: OffsetRange): string {
  return `${range.topic}/${range.partition} [${range.from}, ${range.until})`
}

/** Whether `range` is well formed and moves its partition forward by at least one offset. */
export function isForward(range: OffsetRange): boolean {
  return range.from >= 0n && range.until > range.from
}
