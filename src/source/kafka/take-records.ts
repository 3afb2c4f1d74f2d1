import { compareTopicPartitions, sortedByPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { Clock } from '../../runtime/clock.ts'
import { shareBatch } from '../share-fairly.ts'
import type { FetchedRange, PartitionOffer, TakeLimits } from '../source.ts'
import type { ReadPartition } from './read-partition.ts'

/** Decoding pauses for pending I/O when it has gone on for this long. */
const decodeSliceMs = 2

/** A partition and how many records the allocation gives it. */
export interface Share {
  readonly partition: ReadPartition
  readonly bound: number
  records: number
}

/**
 * Decodes what the shares need, pausing in between: other work of the process (heartbeats, fetches, commits) must
 * not wait for a whole micro-batch to be decoded.
 * @throws OncesinkError RECORD_BATCH_CORRUPT
 */
export async function decodeFor(shares: readonly Share[], clock: Clock): Promise<void> {
  let sliceBeganAt = clock.monotonicMs()
  for (const { partition, records, bound } of shares) {
    while (partition.buffer.decodeNext(records, bound)) {
      if (clock.monotonicMs() - sliceBeganAt < decodeSliceMs) continue
      await clock.yield()
      sliceBeganAt = clock.monotonicMs()
    }
  }
}

/**
 * Shares `limits.maxRecords` and `limits.maxBytes` out.
 *
 * `fair`: see {@link shareBatch}.
 *
 * `sequential`: partitions in order; one with a bound is finished (its position has reached the bound) before the
 * next one is touched, also if the records for that are not here yet.
 */
export function allocate(
  partitions: readonly ReadPartition[],
  limits: TakeLimits,
  turn: number,
): readonly Share[] {
  const shares = [...partitions].sort(compareTopicPartitions).map((partition) => {
    return { partition, bound: boundOf(partition, limits), records: 0 }
  })
  if (limits.order === 'sequential') return allocateInOrder(shares, limits)
  return allocateFairly(shares, limits, turn)
}

/** What could be taken of each partition. */
export function offersOf(partitions: readonly ReadPartition[], limits: TakeLimits): PartitionOffer[] {
  return sortedByPartition(partitions).flatMap((partition) => {
    const { topic, partition: number, buffer } = partition
    const bound = boundOf(partition, limits)
    const records = Math.min(availableOf(partition, bound, limits), limits.maxRecords)
    const isEmptyRange = records === 0 && limits.includeEmptyRanges && buffer.beginsWithGap(bound)
    if (records === 0 && !isEmptyRange) return []
    const [bytes, firstBytes] = [buffer.bytesOf(records, bound), buffer.bytesOf(1, bound)]
    return [{ topic, partition: number, records, bytes, firstBytes }]
  })
}

function boundOf(partition: ReadPartition, { until }: TakeLimits): number {
  const bound = until?.get(topicPartitionKey(partition))
  return bound === undefined ? Number.MAX_SAFE_INTEGER : Number(bound)
}

/** Visible records of the partition that may be taken. */
function availableOf(partition: ReadPartition, bound: number, limits: TakeLimits): number {
  const most = limits.maxRecordsOf?.get(topicPartitionKey(partition)) ?? Number.POSITIVE_INFINITY
  const mostOfAny = limits.maxRecordsPerPartition ?? Number.POSITIVE_INFINITY
  return Math.min(partition.buffer.available(bound), mostOfAny, most)
}

function allocateInOrder(shares: readonly Share[], limits: TakeLimits): Share[] {
  const touched: Share[] = []
  let left = limits.maxRecords
  let leftBytes = limits.maxBytes ?? Number.POSITIVE_INFINITY
  for (const share of shares) {
    const { buffer } = share.partition
    if (buffer.position >= share.bound) continue
    const wanted = Math.min(left, availableOf(share.partition, share.bound, limits))
    // One record fits in any batch, if there is no other.
    const least = left === limits.maxRecords ? 1 : 0
    const fitting = Math.max(least, buffer.recordsWithin(leftBytes, share.bound))
    share.records = Math.min(wanted, fitting)
    touched.push(share)
    left -= share.records
    leftBytes -= buffer.bytesOf(share.records, share.bound)
    const unfinished = share.bound < Number.MAX_SAFE_INTEGER && buffer.fetchedUntil < share.bound
    if (left === 0 || share.records < wanted || unfinished) break
  }
  return touched
}

function allocateFairly(shares: readonly Share[], limits: TakeLimits, turn: number): readonly Share[] {
  const takers = shares.map(({ partition, bound }) => ({
    available: availableOf(partition, bound, limits),
    bytesOf: (records: number) => partition.buffer.bytesOf(records, bound),
    recordsWithin: (bytes: number) => partition.buffer.recordsWithin(bytes, bound),
  }))
  for (const [i, { records }] of shareBatch(takers, limits, turn).entries()) {
    const share = shares[i]
    if (share) share.records = records
  }
  return shares
}

/** Whether everything up to the bounds of all partitions is here: waiting brings no records. */
export function isFetchedToBounds(shares: readonly Share[]): boolean {
  return shares.every(({ partition, bound }) => partition.buffer.fetchedUntil >= bound)
}

/** Takes what was allocated, in partition order. */
export function takeShares(shares: readonly Share[], allowEmpty: boolean): FetchedRange[] {
  const ranges: FetchedRange[] = []
  for (const { partition, records, bound } of shares) {
    // A seek or a failure may have come while decoding paused; what is buffered of an old position is not taken.
    if (partition.state === 'dropped' || partition.stopError !== null) continue
    const range = partition.buffer.take(records, bound, allowEmpty)
    if (range !== null) ranges.push(range)
  }
  return ranges
}
