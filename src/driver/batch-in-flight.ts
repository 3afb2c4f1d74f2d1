import { invariant } from '../errors.ts'
import type { BatchPlan, Executor, PartitionResult } from '../executor/executor.ts'
import type { Job } from '../job/job.ts'
import type { Claim } from '../model/claim.ts'
import type { OffsetRange } from '../model/offset-range.ts'
import type { RangeOutcome } from '../model/outcome.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { CommitReport, Strategy } from '../strategy/strategy.ts'
import type { JobEventBus } from '../telemetry/events.ts'
import type { ChunkStream } from './chunk-stream.ts'
import type { Ownership } from './ownership.ts'

/** What was computed of a batch. */
export interface BatchComputed {
  readonly plan: BatchPlan
  /** Of the whole batch, or of its first chunk. */
  readonly results: readonly PartitionResult[]
  /** From when it was due to when it was planned. */
  readonly startDelayMs: number
  /** From when it was planned to when it was computed, with the waiting for records. */
  readonly computeMs: number
  /** What its partition tasks have taken together, without waiting. */
  readonly tasksMs: number
  /** When it was computed, by the monotonic clock. */
  readonly computedAtMs: number
}

/** What is to be committed as a whole. */
export interface BatchToCommit extends BatchComputed {
  /** The batch, where it is read and computed while it is written; else null. */
  readonly chunks: ChunkStream | null
}

/** How long a batch took, in milliseconds; see the batch event. */
export interface BatchTimes {
  readonly schedulingDelayMs: number
  readonly processingMs: number
  /** When it ended, by the monotonic clock. */
  readonly endedAtMs: number
}

/** A batch of which everything, or what has ended so far, is durable: what rates follow from. */
export interface ProcessedBatch {
  readonly plan: BatchPlan
  readonly times: BatchTimes
  /** Of what was computed: of a batch that has failed on the way, what was read of it. */
  readonly results: readonly PartitionResult[]
  /** Rows handed to the sinks. */
  readonly rows: number
}

/** How a batch ended. */
export interface BatchEnd extends ProcessedBatch {
  readonly batchId: string
  /** Under which claim each of its ranges was to be committed. */
  readonly claims: readonly Claim[]
  /** What computing has failed with on the way, or null. */
  readonly computeError: Error | null
  /** Whether it was given up on the way because the job is to stop. */
  readonly isAbandoned: boolean
  /** Outcomes other than `committed`; empty when the whole batch is durable. */
  readonly failures: readonly Exclude<RangeOutcome, { kind: 'committed' }>[]
  /** Emits the batch event for ranges of the batch that have turned out to be durable. */
  readonly announce: (ranges: readonly OffsetRange[]) => void
}

export interface CommitDeps {
  readonly job: Job
  readonly runtime: Runtime
  readonly events: JobEventBus
  readonly executor: Executor
  readonly strategy: Strategy
  readonly ownership: Ownership
}

/**
 * Commits what is one batch to the strategy, and acknowledges what became durable: known positions move, the batch event
 * is emitted. Partitions that were released or claimed anew meanwhile keep the positions that they have.
 */
export async function commitAndAcknowledge(deps: CommitDeps, batch: BatchToCommit): Promise<BatchEnd> {
  const { plan, chunks } = batch
  const { clock } = deps.runtime
  const beganAt = clock.monotonicMs()
  const batchId = deps.runtime.random.uuid()
  const claims = deps.ownership.claimsFor(chunks?.ranges.map((range) => ({ range })) ?? batch.results)
  const report = await commit(deps, batchId, batch, claims)
  const results = chunks?.results() ?? batch.results
  const times = timesOf(batch, beganAt, clock.monotonicMs())
  const committed = report.outcomes
    .filter((outcome) => outcome.kind === 'committed')
    .map(({ range }) => range)
  const durable = ofPartitions(results, committed)
  deps.ownership.advance(deps.ownership.stillOwned(claims, durable))
  const failures = report.outcomes.filter((outcome) => outcome.kind !== 'committed')
  const announce = (ranges: readonly OffsetRange[]) =>
    emitBatch(deps, batchId, { ...batch, results }, ranges, report, times)
  if (committed.length > 0) announce(committed)
  await deps.runtime.faultPoints.reach('batch.acknowledged')
  const [computeError, isAbandoned] = [chunks?.failure ?? null, chunks?.isAbandoned ?? false]
  const { rows } = report
  return { batchId, plan, times, results, rows, claims, computeError, isAbandoned, failures, announce }
}

async function commit(
  { strategy, job }: CommitDeps,
  batchId: string,
  { results, chunks }: BatchToCommit,
  claims: readonly Claim[],
): Promise<CommitReport> {
  const deadLetterLimit = job.poison.kind === 'deadLetter' ? job.poison : null
  if (strategy.unit !== 'stream') return strategy.commit({ batchId, results, claims, deadLetterLimit })
  invariant(chunks, 'a strategy that takes a stream is given one')
  const epochs = new Map(results.map(({ range, leaderEpoch }) => [topicPartitionKey(range), leaderEpoch]))
  const ranges = chunks.ranges.map((range, i) => {
    const claim = claims[i] as Claim
    return { range, claim, leaderEpoch: epochs.get(topicPartitionKey(range)) ?? claim.leaderEpoch }
  })
  try {
    return await strategy.commit({
      batchId,
      ranges,
      chunks,
      contents: () => chunks.contents(),
      deadLetterLimit,
    })
  } finally {
    chunks.close()
  }
}

function emitBatch(
  deps: CommitDeps,
  batchId: string,
  { plan, results, computeMs }: BatchToCommit,
  ranges: readonly OffsetRange[],
  report: CommitReport,
  { schedulingDelayMs, processingMs }: BatchTimes,
): void {
  const durable = ofPartitions(results, ranges)
  const letters = durable.flatMap((result) => result.deadLetters)
  if (letters.length > 0) deps.events.emit('deadLettered', { batchId, letters })
  deps.events.emit('batch', {
    batchId,
    ranges,
    records: durable.reduce((sum, result) => sum + result.records, 0),
    deadLetters: letters.length,
    bytes: durable.reduce((sum, result) => sum + result.bytes, 0),
    rows: report.rows,
    limitRecords: plan.maxRecords,
    durations: {
      schedulingDelayMs,
      processingMs,
      totalDelayMs: schedulingDelayMs + processingMs,
      computeMs,
      ...report.phases,
    },
    lagRecords: lag(deps.executor),
  })
}

/**
 * Waiting for records is nobody's delay, so only the partition tasks' own time counts as computing. Where they run side
 * by side it is at most as long as the batch was being computed.
 */
function timesOf(batch: BatchToCommit, beganAt: number, endedAtMs: number): BatchTimes {
  return {
    schedulingDelayMs: batch.startDelayMs + beganAt - batch.computedAtMs,
    processingMs: Math.min(batch.tasksMs, batch.computeMs) + endedAtMs - beganAt,
    endedAtMs,
  }
}

/**
 * Those results whose partitions `ranges` are of. A batch has one range of each, which whoever reports it may have made
 * anew.
 */
export function ofPartitions<R extends Pick<PartitionResult, 'range'>>(
  results: readonly R[],
  ranges: readonly OffsetRange[],
): R[] {
  const partitions = new Set(ranges.map(topicPartitionKey))
  return results.filter(({ range }) => partitions.has(topicPartitionKey(range)))
}

/** Log end minus taken position over all partitions, as last seen. */
function lag(executor: Executor): bigint {
  return executor
    .progress()
    .reduce((sum, p) => sum + (p.endOffset > p.position ? p.endOffset - p.position : 0n), 0n)
}
