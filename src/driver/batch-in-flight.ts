import type { BatchPlan, Executor, PartitionResult } from '../executor/executor.ts'
import type { Job } from '../job/job.ts'
import type { Claim } from '../model/claim.ts'
import type { OffsetRange } from '../model/offset-range.ts'
import type { RangeOutcome } from '../model/outcome.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { CommitReport, Strategy } from '../strategy/strategy.ts'
import type { JobEventBus } from '../telemetry/events.ts'
import type { Ownership } from './ownership.ts'

/** What was computed of a batch and is to be committed as a whole. */
export interface BatchToCommit {
  readonly plan: BatchPlan
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
  readonly results: readonly PartitionResult[]
}

/** How a batch ended. */
export interface BatchEnd extends ProcessedBatch {
  readonly batchId: string
  /** Under which claim each of its results was to be committed. */
  readonly claims: readonly Claim[]
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
  const { plan, results } = batch
  const { clock } = deps.runtime
  const beganAt = clock.monotonicMs()
  const batchId = deps.runtime.random.uuid()
  const claims = deps.ownership.claimsFor(results)
  const { poison } = deps.job
  const deadLetterLimit = poison.kind === 'deadLetter' ? poison : null
  const report = await deps.strategy.commit({ batchId, results, claims, deadLetterLimit })
  const times = timesOf(batch, beganAt, clock.monotonicMs())
  const committed = report.outcomes
    .filter((outcome) => outcome.kind === 'committed')
    .map(({ range }) => range)
  const durable = results.filter(({ range }) => committed.includes(range))
  deps.ownership.advance(deps.ownership.stillOwned(claims, durable))
  const failures = report.outcomes.filter((outcome) => outcome.kind !== 'committed')
  const announce = (ranges: readonly OffsetRange[]) => emitBatch(deps, batchId, batch, ranges, report, times)
  if (committed.length > 0) announce(committed)
  await deps.runtime.faultPoints.reach('batch.acknowledged')
  return { batchId, plan, times, results, claims, failures, announce }
}

function emitBatch(
  deps: CommitDeps,
  batchId: string,
  { plan, results, computeMs }: BatchToCommit,
  ranges: readonly OffsetRange[],
  report: CommitReport,
  { schedulingDelayMs, processingMs }: BatchTimes,
): void {
  const durable = results.filter((result) => ranges.includes(result.range))
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

/** Log end minus taken position over all partitions, as last seen. */
function lag(executor: Executor): bigint {
  return executor
    .progress()
    .reduce((sum, p) => sum + (p.endOffset > p.position ? p.endOffset - p.position : 0n), 0n)
}
