import { compareTopicPartitions, topicPartitionKey } from '../../model/topic-partition.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { FetchedRange, TakeLimits } from '../source.ts'
import type { ReadPartition } from './read-partition.ts'

/** Decoding pauses for pending I/O when it has gone on for this long. */
const decodeSliceMs = 4

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
 * Shares `limits.maxRecords` out.
 *
 * `fair`: every partition gets the same number, and what one does not need goes to the others. Where there are
 * fewer records to give than partitions, `turn` says who is served first.
 *
 * `sequential`: partitions in order; one with a bound is finished (its position has reached the bound) before the
 * next one is touched, also if the records for that are not here yet.
 */
export function allocate(partitions: readonly ReadPartition[], limits: TakeLimits, turn: number): Share[] {
  const shares = [...partitions].sort(compareTopicPartitions).map((partition) => {
    const until = limits.until?.get(topicPartitionKey(partition))
    return { partition, bound: until === undefined ? Number.MAX_SAFE_INTEGER : Number(until), records: 0 }
  })
  if (limits.order === 'sequential') return allocateInOrder(shares, limits.maxRecords)
  return allocateFairly(shares, limits.maxRecords, turn)
}

function allocateInOrder(shares: readonly Share[], maxRecords: number): Share[] {
  const touched: Share[] = []
  let left = maxRecords
  for (const share of shares) {
    const { buffer } = share.partition
    if (buffer.position >= share.bound) continue
    share.records = Math.min(left, buffer.available(share.bound))
    touched.push(share)
    left -= share.records
    const unfinished = share.bound < Number.MAX_SAFE_INTEGER && buffer.fetchedUntil < share.bound
    if (left === 0 || unfinished) break
  }
  return touched
}

function allocateFairly(shares: Share[], maxRecords: number, turn: number): Share[] {
  const wanting = shares
    .map((share) => ({ share, available: share.partition.buffer.available(share.bound) }))
    .filter(({ available }) => available > 0)
  // Those who need least first: whatever they leave of an equal part goes to those who need more.
  const first = wanting.length === 0 ? 0 : turn % wanting.length
  const rotated = [...wanting.slice(first), ...wanting.slice(0, first)]
  if (maxRecords >= rotated.length) rotated.sort((a, b) => a.available - b.available)
  let left = maxRecords
  for (const [index, { share, available }] of rotated.entries()) {
    share.records = Math.min(available, Math.ceil(left / (rotated.length - index)))
    left -= share.records
  }
  return shares
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
