import { asError, OncesinkError } from '../errors.ts'
import type { BatchPlan } from '../executor/executor.ts'
import type { Job } from '../job/job.ts'
import type { RateController } from '../rate/rate.ts'
import { Backoff } from '../runtime/backoff.ts'
import type { Source } from '../source/source.ts'
import type { JobState } from '../telemetry/events.ts'
import { Assignment, type AssignmentDeps } from './assignment.ts'
import { Attention } from './attention.ts'
import {
  type BatchEnd,
  type BatchToCommit,
  type CommitDeps,
  commitAndAcknowledge,
} from './batch-in-flight.ts'
import { failureOf, hasSettled, isReady, settleWithin } from './deferred-commits.ts'
import { Drain } from './drain.ts'
import { decide, settleUnknown } from './failed-batch.ts'
import { Housekeeping } from './housekeeping.ts'
import { hasRewound } from './idle-check.ts'
import { Planner } from './planner.ts'
import { isPassing } from './until-done.ts'

export interface DriverDeps extends AssignmentDeps, CommitDeps {
  readonly job: Job
  readonly source: Source
  readonly rate: RateController
}

export interface DriveOptions {
  /** Aborted to stop: the batch in flight is finished, then {@link drive} returns. */
  readonly stop: AbortSignal
  /** Drain what this process owns (see {@link Drain}), then return. */
  readonly once: boolean
  /** Called when the job has joined, has claimed what it was given, and reading has begun. */
  readonly onRunning: () => void
}

/** A process that has had nothing to commit for this long looks whether it still owns its partitions. */
const OWNERSHIP_CHECK_MS = 3_000
/** Pause after a batch that did not commit, so that a failure that repeats does not spin. */
const FAILURE_BACKOFF = { initialMs: 10, maxMs: 5_000 }

type Computed = ({ readonly ok: true } & BatchToCommit) | { readonly ok: false; readonly error: Error }

/**
 * Runs the job until it is stopped, or drained.
 *
 * Positions are SQL's. Whenever a batch does not commit, everything in memory is dropped, the partitions are claimed
 * again and sought to the stored positions.
 *
 * @throws OncesinkError with disposition `stop` or `crash`: why the job cannot go on
 */
export async function drive(deps: DriverDeps, options: DriveOptions): Promise<void> {
  const end = AbortSignal.any([options.stop, deps.executor.failed])
  const attention = new Attention(end, deps.membership, deps.strategy.deferred)
  try {
    await loop(deps, options, attention)
  } finally {
    attention.close()
  }
}

/**
 * The way of one micro-batch from plan to acknowledgement. The next batch is fetched and aggregated while the previous
 * one commits; per partition, ranges commit strictly one after another. Between two batches partitions come and go.
 */
async function loop(deps: DriverDeps, options: DriveOptions, attention: Attention): Promise<void> {
  const { stop } = options
  const { ownership, job, runtime } = deps
  const enter = stateMachine(deps)
  const assignment = new Assignment(deps, attention)
  if (!(await assignment.start(stop))) return enter('stopped')
  const drain = options.once ? new Drain(deps) : null
  const { maxRecordsPerBatch, maxBytesPerBatch } = job.limits
  const until = drain?.until ?? null
  const planner = new Planner({ maxRecordsPerBatch, maxBytesPerBatch, rate: deps.rate, until })
  const pace = pacemaker(deps)
  const housekeeping = new Housekeeping(deps)
  const backoff = new Backoff(FAILURE_BACKOFF, runtime.random)
  let inFlight: Promise<BatchEnd> | null = null
  let lastCommitAt = runtime.clock.monotonicMs()
  let lastCheckAt = lastCommitAt
  const progressed = () => {
    lastCommitAt = runtime.clock.monotonicMs()
    backoff.reset()
    return planner.committed(ownership.claims())
  }
  enter('running')
  options.onRunning()

  for (;;) {
    if (drain && !(await drain.extend(stop))) break
    if (stop.aborted || (drain?.isDone() && (await hasSettled(deps, stop)))) break

    // Plan, fetch and aggregate the next batch while the previous one commits.
    const waiting = attention.begin()
    const startDelayMs = await pace(waiting.signal)
    const isRoom = await isReady(deps, waiting.signal)
    const claims = ownership.claims()
    const plan = planner.next(runtime.clock.monotonicMs(), claims, assignment.dueInMs)
    const computing = isRoom ? compute(deps, plan, startDelayMs, waiting.signal) : nothing(deps, plan)
    const ended: BatchEnd | null = await inFlight
    inFlight = null
    const failed = failureOf(deps, ended)

    // The previous batch did not commit: the next one is built on sand. Forget both, go back to SQL.
    if (failed) {
      waiting.abort()
      await computing
      enter('recovering')
      decide(deps, assignment, planner, failed)
      await runtime.clock.sleep(backoff.nextMs(), stop)
      if (!(await assignment.recover(stop))) return enter('stopped')
      if (settleUnknown(deps, planner, failed)) progressed()
      enter('running')
      continue
    }
    if (ended) {
      planner.observe(ended)
      const unbounded = progressed()
      await housekeeping.tidy()
      // There is nothing to wait for at the end of a run, or within bounds that no longer hold.
      if (unbounded || drain?.isDone()) waiting.abort()
    }

    const computed = await computing
    if (!(computed.ok || mayPass(assignment, planner, plan, computed.error))) throw computed.error
    const now = runtime.clock.monotonicMs()
    const idle = computed.ok && computed.results.length === 0
    const unsure = idle && now - Math.max(lastCommitAt, lastCheckAt) >= OWNERSHIP_CHECK_MS
    if (unsure) lastCheckAt = now
    if (!computed.ok || (unsure && (await hasRewound(deps, assignment)))) {
      enter('recovering')
      if (!(await assignment.recover(stop))) return enter('stopped')
      enter('running')
      continue
    }

    // Partitions come and go; what was computed of those that stay is committed.
    await assignment.update()
    const results = ownership.stillOwned(claims, computed.results)
    if (results.length > 0) {
      inFlight = commitAndAcknowledge(deps, { ...computed, results })
      // It is awaited in the next round; a rejection before that is not unhandled.
      inFlight.catch(() => {})
    }
  }

  enter('stopping')
  await finish(deps, assignment, planner, inFlight, drain !== null)
  enter('stopped')
}

/** What is computed where there is no room for more. */
async function nothing(deps: DriverDeps, plan: BatchPlan): Promise<Computed> {
  const computedAtMs = deps.runtime.clock.monotonicMs()
  return { ok: true, plan, results: [], startDelayMs: 0, computeMs: 0, computedAtMs }
}

async function compute(
  deps: DriverDeps,
  plan: BatchPlan,
  startDelayMs: number,
  signal: AbortSignal,
): Promise<Computed> {
  const { clock } = deps.runtime
  const startedAt = clock.monotonicMs()
  try {
    const results = await deps.executor.compute(plan, signal)
    const computedAtMs = clock.monotonicMs()
    return { ok: true, plan, results, startDelayMs, computeMs: computedAtMs - startedAt, computedAtMs }
  } catch (error) {
    return { ok: false, error: asError(error) }
  }
}

/** Whether computing again from the positions in SQL may bring more than `error`, perhaps in smaller batches. */
function mayPass(assignment: Assignment, planner: Planner, plan: BatchPlan, error: Error): boolean {
  if (isPassing(error) || assignment.isExpiredStart(error)) return true
  if (!(error instanceof OncesinkError && error.ofBatch && error.record)) return false
  planner.failsTogether(error.record, plan.maxRecords)
  return true
}

/**
 * Lets the batch in flight end, then commits what is left of control batches, so that a position never lags for nothing.
 * @throws OncesinkError what another try of a failed batch would not mend
 */
async function finish(
  deps: DriverDeps,
  assignment: Assignment,
  planner: Planner,
  inFlight: Promise<BatchEnd> | null,
  isDrained: boolean,
): Promise<void> {
  const failed = failureOf(deps, await inFlight)
  if (failed) return decide(deps, assignment, planner, failed)
  if (isDrained) return
  const plan: BatchPlan = { maxRecords: 1, maxWaitMs: 0, includeEmptyRanges: true, order: 'fair' }
  const rest = await compute(deps, plan, 0, new AbortController().signal)
  // What cannot be computed was not asked for yet: the next start meets it.
  const last = rest.ok && rest.results.length > 0 ? await commitAndAcknowledge(deps, rest) : null
  // What is not in the database by then gets there with the next start.
  await settleWithin(deps, deps.job.limits.shutdownTimeoutMs / 2)
  const failedLast = failureOf(deps, last)
  if (failedLast) decide(deps, assignment, planner, failedLast)
}

/**
 * Waits until the next batch is due: at once, or `intervalMs` after the previous one began. Intervals that were missed
 * are not made up for; a batch that begins early, because `signal` was aborted, does not put off the next one.
 * @returns how much later than due it is, in milliseconds
 */
function pacemaker(deps: DriverDeps): (signal: AbortSignal) => Promise<number> {
  const { intervalMs } = deps.job.trigger
  const { clock } = deps.runtime
  let due = clock.monotonicMs()
  return async (signal) => {
    if (intervalMs === 0) return 0
    await clock.sleep(Math.max(0, due - clock.monotonicMs()), signal)
    const now = clock.monotonicMs()
    if (signal.aborted && now < due) return 0
    const lateMs = Math.max(0, now - due)
    due = Math.max(due + intervalMs, now)
    return lateMs
  }
}

function stateMachine(deps: DriverDeps): (to: JobState) => void {
  let from: JobState = 'starting'
  return (to) => {
    deps.events.emit('stateChanged', { from, to })
    from = to
  }
}
