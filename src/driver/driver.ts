import { asError, OncesinkError } from '../errors.ts'
import type { BatchPlan } from '../executor/executor.ts'
import type { Job } from '../job/job.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { RateController } from '../rate/rate.ts'
import { Backoff } from '../runtime/backoff.ts'
import { linkedAbort } from '../runtime/linked-abort.ts'
import type { Source } from '../source/source.ts'
import type { JobState } from '../telemetry/events.ts'
import {
  type BatchEnd,
  type BatchToCommit,
  type CommitDeps,
  commitAndAcknowledge,
} from './batch-in-flight.ts'
import { decide, settleUnknown } from './failed-batch.ts'
import { Housekeeping } from './housekeeping.ts'
import { hasRewound } from './idle-check.ts'
import { Planner } from './planner.ts'
import { gain, isExpiredStart, type RecoveryDeps, recover } from './recovery.ts'
import { isPassing, untilDone } from './until-done.ts'

export interface DriverDeps extends RecoveryDeps, CommitDeps {
  readonly job: Job
  readonly source: Source
  readonly rate: RateController
}

export interface DriveOptions {
  /** Aborted to stop: the batch in flight is finished, then {@link drive} returns. */
  readonly stop: AbortSignal
  /** Drain to the last stable offsets seen at the start, then return. */
  readonly once: boolean
  /** Called when the partitions are claimed and reading has begun. */
  readonly onRunning: () => void
}

/** A process that has had nothing to commit for this long looks whether it still owns its partitions. */
const OWNERSHIP_CHECK_MS = 3_000
/** Pause after a batch that did not commit, so that a failure that repeats does not spin. */
const FAILURE_BACKOFF = { initialMs: 10, maxMs: 5_000 }

type Computed = ({ readonly ok: true } & BatchToCommit) | { readonly ok: false; readonly error: Error }

/**
 * The loop: the way of one micro-batch from plan to acknowledgement. The next batch is fetched and aggregated while
 * the previous one commits; per partition, ranges commit strictly one after another.
 *
 * Positions are SQL's. Whenever a batch does not commit, everything in memory is dropped, the partitions are claimed
 * again and sought to the stored positions.
 *
 * @throws OncesinkError with disposition `stop` or `crash`: why the job cannot go on
 */
export async function drive(deps: DriverDeps, options: DriveOptions): Promise<void> {
  const { stop } = options
  const enter = stateMachine(deps)
  const partitions = await deps.membership.start()
  if (!(await gain(deps, partitions, stop, deps.job.limits.startupTimeoutMs))) return enter('stopped')
  const until = options.once ? await logEnds(deps, stop) : null
  const { maxRecordsPerBatch } = deps.job.limits
  const planner = new Planner({ maxRecordsPerBatch, rate: deps.rate, until })
  const pace = pacemaker(deps)
  const housekeeping = new Housekeeping(deps)
  const backoff = new Backoff(FAILURE_BACKOFF, deps.runtime.random)
  let inFlight: Promise<BatchEnd> | null = null
  let lastCommitAt = deps.runtime.clock.monotonicMs()
  let lastCheckAt = lastCommitAt
  const progressed = () => {
    lastCommitAt = deps.runtime.clock.monotonicMs()
    backoff.reset()
    return planner.committed(deps.ownership.claims())
  }
  enter('running')
  options.onRunning()

  while (!(stop.aborted || (until && deps.ownership.hasReached(until)))) {
    // Plan, fetch and aggregate the next batch while the previous one commits.
    const startDelayMs = await pace(stop)
    const abandon = linkedAbort(stop)
    const plan = planner.next(deps.runtime.clock.monotonicMs(), deps.ownership.claims())
    const computing = compute(deps, plan, startDelayMs, abandon.signal).finally(abandon.unlink)
    const ended: BatchEnd | null = await inFlight
    inFlight = null

    // The previous batch did not commit: the next one is built on sand. Forget both, go back to SQL.
    if (ended && ended.failures.length > 0) {
      abandon.abort()
      await computing
      enter('recovering')
      decide(deps, planner, ended)
      await deps.runtime.clock.sleep(backoff.nextMs(), stop)
      if (!(await recover(deps, stop))) return enter('stopped')
      if (settleUnknown(deps, planner, ended)) progressed()
      enter('running')
      continue
    }
    if (ended) {
      planner.observe(ended)
      const unbounded = progressed()
      await housekeeping.tidy()
      // There is nothing to wait for at the end of a run, or within bounds that no longer hold.
      if (unbounded || (until && deps.ownership.hasReached(until))) abandon.abort()
    }

    const computed = await computing
    if (!(computed.ok || mayPass(deps, planner, plan, computed.error))) throw computed.error
    const now = deps.runtime.clock.monotonicMs()
    const idle = computed.ok && computed.results.length === 0
    const unsure = idle && now - Math.max(lastCommitAt, lastCheckAt) >= OWNERSHIP_CHECK_MS
    if (unsure) lastCheckAt = now
    if (!computed.ok || (unsure && (await hasRewound(deps)))) {
      enter('recovering')
      if (!(await recover(deps, stop))) return enter('stopped')
      enter('running')
      continue
    }
    const change = await applyAssignmentChange(deps, stop)
    if (change === 'stopped') return enter('stopped')
    if (change === 'applied') continue
    if (computed.results.length > 0) {
      inFlight = commitAndAcknowledge(deps, computed)
      // It is awaited in the next round; a rejection before that is not unhandled.
      inFlight.catch(() => {})
    }
  }

  enter('stopping')
  await finish(deps, planner, inFlight, until)
  enter('stopped')
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
function mayPass(deps: DriverDeps, planner: Planner, plan: BatchPlan, error: Error): boolean {
  if (isPassing(error) || isExpiredStart(deps.ownership, error)) return true
  if (!(error instanceof OncesinkError && error.ofBatch && error.record)) return false
  planner.failsTogether(error.record, plan.maxRecords)
  return true
}

/**
 * Lost partitions are dropped, gained ones claimed and sought. A batch computed meanwhile is read again.
 * @returns `stopped` when `stop` was aborted before reading could go on
 */
async function applyAssignmentChange(
  deps: DriverDeps,
  stop: AbortSignal,
): Promise<'none' | 'applied' | 'stopped'> {
  const { gained, lost } = deps.membership.takeChanges()
  if (gained.length === 0 && lost.length === 0) return 'none'
  if (lost.length > 0) {
    deps.executor.drop(lost)
    deps.ownership.remove(lost)
    deps.events.emit('lost', { partitions: lost })
  }
  if (gained.length > 0 && !(await gain(deps, gained, stop))) return 'stopped'
  // Positions of kept partitions: the batch that was computed beside this is not committed, so read it again.
  const seek = () => deps.executor.seek(deps.ownership.claims())
  return (await untilDone(deps, stop, Number.POSITIVE_INFINITY, seek)) ? 'applied' : 'stopped'
}

/**
 * Lets the batch in flight end, then commits what is left of control batches, so that a position never lags for nothing.
 * @throws OncesinkError what another try of a failed batch would not mend
 */
async function finish(
  deps: DriverDeps,
  planner: Planner,
  inFlight: Promise<BatchEnd> | null,
  until: ReadonlyMap<string, bigint> | null,
): Promise<void> {
  const ended = await inFlight
  if (ended && ended.failures.length > 0) return decide(deps, planner, ended)
  if (until) return
  const plan: BatchPlan = { maxRecords: 1, maxWaitMs: 0, includeEmptyRanges: true, order: 'fair' }
  const rest = await compute(deps, plan, 0, new AbortController().signal)
  // What cannot be computed was not asked for yet: the next start meets it.
  if (!rest.ok || rest.results.length === 0) return
  const last = await commitAndAcknowledge(deps, rest)
  if (last.failures.length > 0) decide(deps, planner, last)
}

/** The last stable offset of every owned partition, as exclusive upper bounds. */
async function logEnds(deps: DriverDeps, stop: AbortSignal): Promise<Map<string, bigint>> {
  const ends = new Map<string, bigint>()
  await untilDone(deps, stop, deps.job.limits.startupTimeoutMs, async () => {
    const bounds = await deps.source.watermarks(deps.ownership.claims())
    for (const bound of bounds) ends.set(topicPartitionKey(bound), bound.lastStable)
  })
  return ends
}

/**
 * Waits until the next batch is due: at once, or `intervalMs` after the previous one began. Intervals that were missed
 * are not made up for.
 * @returns how much later than due it is, in milliseconds
 */
function pacemaker(deps: DriverDeps): (stop: AbortSignal) => Promise<number> {
  const { intervalMs } = deps.job.trigger
  const { clock } = deps.runtime
  let due = clock.monotonicMs()
  return async (stop) => {
    if (intervalMs === 0) return 0
    await clock.sleep(Math.max(0, due - clock.monotonicMs()), stop)
    const now = clock.monotonicMs()
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
