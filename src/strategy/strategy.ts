import type { ClaimedRange, RangeContents } from '../database/protocol/commit-batch.ts'
import type { DeadLetterLimit } from '../database/protocol/dead-letters.ts'
import type { JobSession } from '../database/protocol/session.ts'
import type { PartitionResult } from '../executor/executor.ts'
import type { Claim } from '../model/claim.ts'
import type { RangeOutcome } from '../model/outcome.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { PipelinePlan } from '../pipeline/plan.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { JobEventBus } from '../telemetry/events.ts'

/** What the option `strategy` of a job holds: the name of a strategy, and how it is made for a running job. */
export interface StrategyPlan {
  /** As it is shown in events and messages. It is no part of the job's shape: another run may use another strategy. */
  readonly name: string
  /** Database connections that it opens besides the one on which the job claims. Default: 0. */
  readonly connections?: number
  /** Absent where it needs nothing but the database. */
  readonly needs?: StrategyNeeds
  /** Called once, when the job is started. */
  create(parts: StrategyParts): Strategy
}

/** What a strategy needs besides the database, as far as it can be looked at before the job runs: for `oncesink doctor`. */
export interface StrategyNeeds {
  /** What it is called: `handoff directory`. */
  readonly what: string
  /**
   * Looks, and changes nothing.
   * @param job name of the job
   * @returns what there is, for people
   * @throws OncesinkError what is in the way, and what to do about it
   */
  examine(job: string, runtime: Runtime): Promise<string>
}

/** Whether `value` has what the option `strategy` takes. */
export function isStrategyPlan(value: unknown): value is StrategyPlan {
  if (typeof value !== 'object' || value === null) return false
  const { name, create } = value as Partial<StrategyPlan>
  return typeof name === 'string' && typeof create === 'function'
}

/** What a strategy works with. */
export interface StrategyParts {
  /** The connection on which the job claims and commits. */
  readonly session: JobSession
  /** What the job does, in the order of {@link PartitionResult.partials}. */
  readonly pipelines: readonly PipelinePlan[]
  /** The job's shape, see `shapeOf`. */
  readonly shape: string
  /** How many dead letters the job may have lately; null where its policy allows none. */
  readonly deadLetterLimit: DeadLetterLimit | null
  readonly events: JobEventBus
  /** Kafka's id of the cluster that the job reads. @throws OncesinkError the source's errors */
  readonly clusterId: () => Promise<string>
}

/**
 * How results and offsets get into one commit. The outcome is told per range: some strategies commit some ranges and not
 * others.
 */
export type Strategy = ComputedStrategy | StreamStrategy

interface AnyStrategy {
  readonly name: string
  readonly unit: AtomicUnit
  /**
   * What a strategy says besides that reports ranges as committed when they are durable elsewhere, and brings them into
   * the database later. Absent where `committed` means that the database has them.
   */
  readonly deferred?: DeferredCommits
  /** Closes what it has opened itself; what is being committed is cut off. Never throws. */
  close?(): Promise<void>
}

/** A strategy that is given what is fetched and computed already. The next batch is computed meanwhile. */
export interface ComputedStrategy extends AnyStrategy {
  readonly unit: 'batch' | 'range'
  /**
   * Whether it only asks what a batch has come to as a whole, so that ranges may be added up as one: then results may have
   * no `partials`, see {@link PartitionResult.partials}. Many short ranges are much faster so. @default false
   */
  readonly joinsRanges?: boolean
  /** Never rejects for a failed batch: what happened is in the outcomes. It rejects only with `crash` errors. */
  commit(batch: ComputedBatch): Promise<CommitReport>
}

/**
 * A strategy that is given batches whose ranges are fixed and whose records are still to be read: it takes them chunk by
 * chunk, and the next chunk is fetched and computed meanwhile. What one batch has is bounded by `limits.maxRecordsPerBatch`
 * and `rate`; what is in memory at once, by the limits of a chunk.
 */
export interface StreamStrategy extends AnyStrategy {
  readonly unit: 'stream'
  readonly chunks: ChunkLimits
  /** As {@link ComputedStrategy.commit}. Whatever {@link StreamedBatch.chunks} rejects with makes the batch fail. */
  commit(batch: StreamedBatch): Promise<CommitReport>
}

/**
 * What commits, or does not, as a whole:
 * - `batch`: one batch is committed at a time; when it does not commit, everything is claimed again;
 * - `stream`: the same, with batches that are computed while they are written;
 * - `range`: `commit` is called with one range at a time, for several partitions at once, and for each partition with one
 *   after another. A range that does not commit is claimed, read and committed again by itself.
 */
export type AtomicUnit = 'batch' | 'stream' | 'range'

/**
 * Commits that are durable before the database has them. The driver goes on from them: its positions in memory are
 * ahead of those in SQL. The claim and the end are where the two must come together.
 */
export interface DeferredCommits {
  /**
   * Waits until one more batch can be taken (back-pressure). Called before a batch is planned.
   * @returns false when `signal` was aborted before
   */
  ready(signal: AbortSignal): Promise<boolean>
  /** Whether ranges of this partition that were reported as committed may not be in the database yet. */
  isPending(partition: TopicPartition): boolean
  /**
   * What was reported as committed and has failed since, once: to be treated as a batch that did not commit. Everything
   * that was reported after it does not commit either, until the partitions have been claimed again.
   */
  takeFailure(): LateFailure | null
  /** Calls `listener`, from the background, when there is a failure to take. @returns removes the listener */
  onFailure(listener: () => void): () => void
  /**
   * Before these partitions are claimed, or claimed again, on every attempt: brings into the database what can be of the
   * claims before. What cannot is read again from the position that the claim finds.
   * @param ownClaims given where partitions are claimed again: what this process has had. Who was replaced since leaves what
   *   is of its successor's claims to it
   * @throws OncesinkError the database's errors; what stops the job
   */
  beforeClaim(partitions: readonly TopicPartition[], ownClaims?: readonly Claim[]): Promise<void>
  /** These have been claimed: whatever is left of earlier claims of them is void. */
  claimed(claims: readonly Claim[]): Promise<void>
  /**
   * Waits until the database has everything that was reported as committed.
   * @returns false when there is a failure to take, or `signal` was aborted before
   */
  settle(signal: AbortSignal): Promise<boolean>
  /** Ends what runs in the background. Never throws. */
  close(): Promise<void>
}

/** Ranges that were reported as committed, and are not. */
export interface LateFailure {
  readonly batchId: string
  readonly results: readonly FailedResult[]
  /** In the order of the results. */
  readonly failures: readonly Exclude<RangeOutcome, { kind: 'committed' }>[]
}

/** What is still known of a result that has failed. */
export type FailedResult = Pick<PartitionResult, 'range' | 'records' | 'lastOffset'> & {
  readonly deadLetters: readonly unknown[]
}

export interface ChunkLimits {
  /** Records of one chunk, over all partitions; at least 1. */
  readonly maxRecords: number
  /** Bytes of the records of one chunk, as fetched; at least 1. A record that has more comes alone. */
  readonly maxBytes: number
  /** How long the next chunk may let wait for itself, in milliseconds, before the batch fails. */
  readonly maxStallMs: number
  /** How long the chunks of one batch may be taken, from the first to the last, in milliseconds, before it fails. */
  readonly maxOpenMs: number
}

export interface ComputedBatch {
  /** Random UUID of the batch. */
  readonly batchId: string
  /** Results in partition order, at least one. */
  readonly results: readonly PartitionResult[]
  /** The claim of each result's partition, in the same order. */
  readonly claims: readonly Claim[]
  /** How many dead letters the job may have lately; null where its policy allows none. */
  readonly deadLetterLimit: DeadLetterLimit | null
}

export interface StreamedBatch {
  /** Random UUID of the batch. */
  readonly batchId: string
  /** In partition order, at least one. */
  readonly ranges: readonly ClaimedRange[]
  /**
   * What the ranges hold, to be iterated once. A chunk has the results of one stretch of some of the ranges, in partition
   * order; the stretches of one range follow each other without a gap, from its beginning to its end.
   */
  readonly chunks: AsyncIterable<readonly PartitionResult[]>
  /** What was in the ranges, in their order, as far as {@link chunks} has told by now. */
  contents(): readonly (RangeContents & Pick<ClaimedRange, 'range'>)[]
  /** How many dead letters the job may have lately; null where its policy allows none. */
  readonly deadLetterLimit: DeadLetterLimit | null
}

export interface CommitReport {
  /** One outcome per range, in the order of the batch's results or ranges. */
  readonly outcomes: readonly RangeOutcome[]
  /** Rows handed to the sinks. */
  readonly rows: number
  /** Durations in milliseconds. */
  readonly phases: CommitPhases
}

export interface CommitPhases {
  /** BEGIN and compare-and-set. */
  readonly advanceMs: number
  /** The sinks' rows. */
  readonly rowsMs: number
  /** Ledger rows. */
  readonly ledgerMs: number
  /** COMMIT. */
  readonly commitMs: number
}
