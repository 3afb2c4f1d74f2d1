import { asError } from '../errors.ts'
import type { BatchPlan } from '../executor/executor.ts'
import type { Job } from '../job/job.ts'
import type { RateController } from '../rate/rate.ts'
import { Backoff } from '../runtime/backoff.ts'
import type { Source } from '../source/source.ts'
import type { JobState } from '../telemetry/events.ts'
import { Assignment, type AssignmentDeps } from './assignment.ts'
import { Attention } from './attention.ts'
import type { BatchComputed, BatchEnd, CommitDeps } from './batch-in-flight.ts'
import { failureOf, hasSettled, isReady, settleWithin } from './deferred-commits.ts'
import { Drain } from './drain.ts'
import { decide, type FailedBatch, mayPass, settleUnknown } from './failed-batch.ts'
import { Housekeeping } from './housekeeping.ts'
import { hasRewound } from './idle-check.ts'
import { InFlight } from './in-flight.ts'
import { Planner } from './planner.ts'
import { firstPart } from './stream-batch.ts'
import { Suspension } from './suspension.ts'

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

type Computed = ({ readonly ok: true } & BatchComputed) | { readonly ok: false; readonly error: Error }

/**
 * Runs the job until it is stopped, or drained.
 *
 * Positions are SQL's. Whenever a batch does not commit, everything in memory is dropped, the partitions are claimed
 * again and sought to the stored positions. Where ranges commit one by one, that is true of the partitions concerned, and
 * the others go on.
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
  const { ownership, job, runtime, strategy } = deps
  const enter = stateMachine(deps)
  const assignment = new Assignment(deps, attention)
  if (!(await assignment.start(stop))) return enter('stopped')
  const drain = options.once ? new Drain(deps) : null
  const { maxRecordsPerBatch, maxBytesPerBatch } = job.limits
  const until = drain?.until ?? null
  const planner = new Planner({
    ...{ maxRecordsPerBatch, maxBytesPerBatch, until },
    ...{ rate: deps.rate, unit: strategy.unit },
    joinRanges: strategy.unit === 'batch' && strategy.joinsRanges === true,
  })
  const pace = pacemaker(deps)
  const housekeeping = new Housekeeping(deps)
  const backoff = new Backoff(FAILURE_BACKOFF, runtime.random)
  const flight = new InFlight(deps, { stop, onChange: () => attention.want() })
  const suspension = new Suspension(deps, assignment, planner, FAILURE_BACKOFF)
  let lastCommitAt = runtime.clock.monotonicMs()
  let lastCheckAt = lastCommitAt
  /** Returns whether bounds that were planned with no longer hold. */
  const progressed = (ended: FailedBatch) => {
    lastCommitAt = runtime.clock.monotonicMs()
    backoff.reset()
    suspension.committed(ended)
    return planner.committed(
      ownership.claims(),
      ended.results.map(({ range }) => range),
    )
  }
  /** Claims and seeks everything again; nothing is in flight then. */
  const recover = async () => {
    enter('recovering')
    await flight.all()
    const { failed, committed } = sortEnds(flight.take())
    for (const ended of committed) progressed(ended)
    suspension.suspend(failed)
    if (!(await assignment.recover(stop))) return false
    for (const ended of suspension.settle()) progressed(ended)
    enter('running')
    return true
  }
  enter('running')
  options.onRunning()

  try {
    for (;;) {
      for (const ended of suspension.settle()) progressed(ended)
      if (drain && !(await drain.extend(stop))) break
      if (stop.aborted || (drain?.isDone() && (await hasSettled(deps, stop)))) break
      enter(suspension.isTotal ? 'recovering' : 'running')

      // Plan, fetch and aggregate the next batch while the previous one commits.
      const waiting = attention.begin()
      const startDelayMs = await pace(waiting.signal)
      const isRoom = await isReady(deps, waiting.signal)
      const claims = ownership.readable()
      const held = new Map([...flight.held(), ...suspension.bounds()])
      const plan = planner.next(runtime.clock.monotonicMs(), ownership.claims(), assignment.dueInMs, held)
      const computing = isRoom
        ? flight.due.then(() => compute(deps, plan, startDelayMs, waiting.signal))
        : nothing(deps, plan)
      const processed = await flight.settled()
      const { failed, committed } = sortEnds(flight.take())
      const failure = strategy.unit === 'range' ? null : failureOf(deps, failed[0] ?? null)

      // The previous batch did not commit: the next one is built on sand. Forget both, go back to SQL.
      if (failure) {
        waiting.abort()
        await computing
        if (failed[0]?.isAbandoned) return enter('stopped')
        enter('recovering')
        decide(deps, assignment, planner, failure)
        await runtime.clock.sleep(backoff.nextMs(), stop)
        if (!(await assignment.recover(stop))) return enter('stopped')
        if (settleUnknown(deps, planner, failure)) progressed(failure)
        enter('running')
        continue
      }
      // Ranges did not: what was computed of their partitions is dropped, the others go on.
      if (failed.length > 0) {
        waiting.abort()
        await computing
        suspension.suspend(failed)
      }
      if (processed) planner.observe(processed)
      if (committed.length > 0) {
        const unbounded = committed.map(progressed).includes(true)
        if (!assignment.isBusy) await housekeeping.tidy()
        // There is nothing to wait for at the end of a run, or within bounds that no longer hold.
        if (unbounded || drain?.isDone()) waiting.abort()
      }

      const computed = await computing
      if (
        !(computed.ok || mayPass(assignment, planner, firstPart(plan, strategy).maxRecords, computed.error))
      )
        throw computed.error
      const now = runtime.clock.monotonicMs()
      const idle = computed.ok && computed.results.length === 0 && flight.isEmpty && !assignment.isBusy
      const unsure = idle && now - Math.max(lastCommitAt, lastCheckAt) >= OWNERSHIP_CHECK_MS
      if (unsure) lastCheckAt = now
      if (!computed.ok || (unsure && (await hasRewound(deps, assignment)))) {
        if (!(await recover())) return enter('stopped')
        continue
      }

      // Partitions come and go; what was computed of those that stay is committed, or read again.
      await assignment.update()
      if (!(flight.begin(computed, claims) || (await recover()))) return enter('stopped')
    }

    enter('stopping')
    await finish({ deps, assignment, planner, flight, suspension }, drain !== null)
    enter('stopped')
  } finally {
    await flight.abandon()
  }
}

/** Ends of batches by whether everything of them is durable. */
function sortEnds(ends: readonly BatchEnd[]): { failed: BatchEnd[]; committed: BatchEnd[] } {
  return {
    failed: ends.filter(({ failures }) => failures.length > 0),
    committed: ends.filter(({ failures }) => failures.length === 0),
  }
}

/** What is computed where there is no room for more. */
async function nothing(deps: DriverDeps, plan: BatchPlan): Promise<Computed> {
  const computedAtMs = deps.runtime.clock.monotonicMs()
  return { ok: true, plan, results: [], startDelayMs: 0, computeMs: 0, tasksMs: 0, computedAtMs }
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
    const results = await deps.executor.compute(firstPart(plan, deps.strategy), signal)
    const computedAtMs = clock.monotonicMs()
    const tasksMs = results.reduce((sum, { computeMs }) => sum + computeMs, 0)
    const computeMs = computedAtMs - startedAt
    return { ok: true, plan, results, startDelayMs, computeMs, tasksMs, computedAtMs }
  } catch (error) {
    return { ok: false, error: asError(error) }
  }
}

interface Parts {
  readonly deps: DriverDeps
  readonly assignment: Assignment
  readonly planner: Planner
  readonly flight: InFlight
  readonly suspension: Suspension
}

/**
 * Lets what is in flight end, then commits what is left of control batches, so that a position never lags for nothing.
 * @throws OncesinkError what another try of what failed would not mend
 */
async function finish(parts: Parts, isDrained: boolean): Promise<void> {
  const { deps, assignment, planner, flight, suspension } = parts
  const refuseFailures = async () => {
    await flight.all()
    const { failed } = sortEnds(flight.take())
    const late = failed.length > 0 ? null : failureOf(deps, null)
    const failures = late ? [late] : failed
    const isAbandoned = failed.some((ended) => ended.isAbandoned)
    if (!isAbandoned) for (const failure of failures) decide(deps, assignment, planner, failure)
    return failures.length > 0
  }
  await assignment.idle()
  // Claims that were still being made tell what became of COMMITs without an answer.
  suspension.settle()
  if ((await refuseFailures()) || isDrained) return
  const until = suspension.bounds()
  const plan: BatchPlan = { maxRecords: 1, maxWaitMs: 0, includeEmptyRanges: true, order: 'fair', until }
  const claims = deps.ownership.readable()
  const rest = await compute(deps, plan, 0, new AbortController().signal)
  // What cannot be computed was not asked for yet: the next start meets it.
  if (rest.ok) flight.begin(rest, claims)
  await flight.all()
  // What is not in the database by then gets there with the next start.
  await settleWithin(deps, deps.job.limits.shutdownTimeoutMs / 2)
  await refuseFailures()
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
    if (to === from) return
    deps.events.emit('stateChanged', { from, to })
    from = to
  }
}
