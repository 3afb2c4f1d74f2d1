import type { BatchPlan, PartitionResult } from '../executor/executor.ts'
import type { Claim } from '../model/claim.ts'
import type { OffsetRange } from '../model/offset-range.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import { shareFairly } from '../source/share-fairly.ts'
import type { PartitionProgress } from '../source/source.ts'

export interface StreamStart {
  readonly plan: BatchPlan
  /** What the first chunk holds. */
  readonly first: readonly Pick<PartitionResult, 'range' | 'records'>[]
  /** What this process owns, with the positions that are stored; in partition order. */
  readonly claims: readonly Claim[]
  /** What is known of the log. */
  readonly progress: readonly PartitionProgress[]
}

/**
 * The ranges of a batch of which only the first chunk has been read: as many offsets more as the plan leaves records, of
 * what the log is known to have. An offset has one record at most, so a batch never has more records than it may.
 *
 * A batch that is looked through for what fails in it is one chunk, and so is one that the first chunk has filled, or
 * that has no records.
 * @returns in partition order
 */
export function streamRanges({ plan, first, claims, progress }: StreamStart): OffsetRange[] {
  const records = first.reduce((sum, result) => sum + result.records, 0)
  if (plan.order !== 'fair' || records === 0 || records >= plan.maxRecords)
    return first.map(({ range }) => range)
  const read = new Map(first.map((result) => [topicPartitionKey(result.range), result]))
  const seen = new Map(progress.map((partition) => [topicPartitionKey(partition), partition]))
  const begun = claims.map((claim) => {
    const key = topicPartitionKey(claim)
    const { topic, partition, nextOffset } = claim
    const result = read.get(key)
    const reached = result?.range.until ?? nextOffset
    const known = seen.get(key)
    // What is being read from somewhere else is not this batch's.
    const end = known?.position === reached ? lesser(known.endOffset, plan.until?.get(key)) : reached
    const most = (plan.maxRecordsPerPartition ?? Number.MAX_SAFE_INTEGER) - (result?.records ?? 0)
    const available = Math.max(0, Math.min(Number(end - reached), most))
    return { topic, partition, from: nextOffset, reached, available }
  })
  const shares = shareFairly(
    begun.map(({ available }) => available),
    plan.maxRecords - records,
    0,
  )
  return begun
    .map(({ topic, partition, from, reached }, i) => {
      return { topic, partition, from, until: reached + BigInt(shares[i] ?? 0) }
    })
    .filter(({ from, until }) => until > from)
}

function lesser(a: bigint, b: bigint = a): bigint {
  return a < b ? a : b
}
