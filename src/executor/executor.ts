import type { PartialResult } from '../aggregation/partial-result.ts'
import type { DeadLetter, PoisonCause } from '../model/dead-letter.ts'
import type { OffsetRange } from '../model/offset-range.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { PartitionProgress, SeekPosition, TakeLimits } from '../source/source.ts'

/**
 * Where partition tasks run: in this thread (inline) or in worker threads. An executor owns the reading of its
 * partitions; the driver owns the offsets, sets the limits and commits.
 */
export interface Executor {
  /**
   * Aborted once nothing can be computed here any more; {@link compute} then fails with the reason. Whoever waits for
   * something else meanwhile hears of it so.
   */
  readonly failed: AbortSignal
  /**
   * Makes ready whatever computing takes, before anything is claimed. May be called again after a failure.
   * @throws OncesinkError the source's errors; CONFIGURATION_INVALID where the job cannot be computed here
   */
  open(): Promise<void>
  /** See {@link Source.seek}: called for every partition after every claim. Work on earlier records is abandoned. */
  seek(positions: readonly SeekPosition[]): Promise<void>
  /** Stops work on partitions that are no longer owned. */
  drop(partitions: readonly TopicPartition[]): void
  /**
   * Fetches the next ranges within the plan's limits and runs one partition task per range.
   * @returns results in partition order; empty when there was nothing to read. Those of partitions that were sought or
   *   dropped meanwhile are left out, unless the others cannot be separated from them any more ({@link areSeparate})
   * @throws OncesinkError JOB_FUNCTION_FAILED with the record's coordinates, DEAD_LETTER_LIMIT, or the source's errors
   */
  compute(plan: BatchPlan, signal: AbortSignal): Promise<PartitionResult[]>
  /** What is known, without asking, of every partition being read, in partition order. */
  progress(): PartitionProgress[]
  close(): Promise<void>
}

/** What the driver asks of one micro-batch. */
export interface BatchPlan extends TakeLimits {
  /**
   * Records that the database rejects when they stand alone, at most one of each partition: they are left out, without
   * asking the job's functions.
   */
  readonly condemned?: readonly CondemnedRecord[]
  /** Dead letters that the batch has already, where this is a later part of it. @default 0 */
  readonly deadLettersBefore?: number
  /**
   * Whether the batch commits as a whole, so that nobody asks what one of its ranges alone has come to: the executor may
   * then add up several of them as one, see {@link PartitionResult.partials}. @default false
   */
  readonly joinRanges?: boolean
}

export interface CondemnedRecord extends TopicPartition {
  readonly offset: bigint
  readonly cause: PoisonCause
}

/** What one partition task made of its range. */
export interface PartitionResult {
  readonly range: OffsetRange
  /** Records visible to the job, before its filters, {@link deadLetters} included. */
  readonly records: number
  /** Records that are no part of the partial results, because the job cannot process them; in offset order. */
  readonly deadLetters: readonly DeadLetter[]
  /** Of all these records, see `RangeDigest`; null unless the job wants digests in its ledger. */
  readonly digest: bigint | null
  /** Offset of the last of them, or null; the range may reach further, over markers and aborted records. */
  readonly lastOffset: bigint | null
  readonly bytes: number
  readonly leaderEpoch: number
  /** Milliseconds from having the range's records to having its partial results: decoding and aggregating, no waiting. */
  readonly computeMs: number
  /**
   * One partial result per pipeline, in the order of the job's pipelines; none where this range was added up with others
   * ({@link BatchPlan.joinRanges}), and an earlier result of the batch has what they have come to together.
   */
  readonly partials: readonly PartialResult[]
}

/** Whether each of these results can be committed without the others. */
export function areSeparate(results: readonly Pick<PartitionResult, 'partials'>[]): boolean {
  return results.every(({ partials }) => partials.length > 0)
}

/** Where the partition tasks of a job run. Made from the option `executor` of a job. */
export type ExecutorPlan = { readonly kind: 'inline' } | WorkerThreadsPlan

export interface WorkerThreadsPlan {
  readonly kind: 'workerThreads'
  /** Threads beside the driver's. */
  readonly count: number
  /** URL of the module whose default export is the job; null where nobody has said it. */
  readonly module: string | null
  /** Milliseconds without a sign of life after which a worker counts as stuck. */
  readonly workerTimeoutMs: number
  /** Megabytes of JavaScript heap per worker; null for Node's own limit. */
  readonly maxHeapMb: number | null
}
