import { asError, invariant, OncesinkError } from '../errors.ts'
import type { BatchPlan, PartitionResult } from '../executor/executor.ts'
import type { Job } from '../job/job.ts'
import { formatRange } from '../model/offset-range.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import { Backoff } from '../runtime/backoff.ts'
import type { JobState } from '../telemetry/events.ts'
import { type BatchEnd, type CommitDeps, commitAndAcknowledge } from './batch-in-flight.ts'
import { Planner } from './planner.ts'
import { gain, ownershipLost, type RecoveryDeps, recover } from './recovery.ts'
import { isPassing } from './until-done.ts'

export interface DriverDeps extends RecoveryDeps, CommitDeps {
  readonly job: Job
}

export interface DriveOptions {
  /** Aborted to stop: the batch in flight is finished, then {@link drive} returns. */
  readonly stop: AbortSignal
  /** Drain to the last stable offsets seen at the start, then return. */
  readonly once: boolean
  /** Called when the partitions are claimed and reading has begun. */
  readonly onRunning: () => void
}

/** Pause after a batch that did not commit, so that a failure that repeats does not spin. */
const FAILURE_BACKOFF = { initialMs: 10, maxMs: 5_000 }

type Computed =
  | { readonly ok: true; readonly results: PartitionResult[]; readonly computeMs: number }
  | { readonly ok: false; readonly error: Error }

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
  const until = options.once ? await logEnds(deps) : null
  const planner = new Planner({ maxRecordsPerBatch: deps.job.limits.maxRecordsPerBatch, until })
  const pace = pacemaker(deps)
  const backoff = new Backoff(FAILURE_BACKOFF, deps.runtime.random)
  let inFlight: Promise<BatchEnd> | null = null
  let lastCommitAt = deps.runtime.clock.monotonicMs()
  enter('running')
  options.onRunning()

  while (!(stop.aborted || (until && deps.ownership.hasReached(until)))) {
    // Plan, fetch and aggregate the next batch while the previous one commits.
    await pace(stop)
    const abandon = new AbortController()
    const plan = planner.next(deps.runtime.clock.monotonicMs() - lastCommitAt)
    const computing = compute(deps, plan, AbortSignal.any([stop, abandon.signal]))
    const ended: BatchEnd | null = await inFlight
    inFlight = null

    // The previous batch did not commit: the next one is built on sand. Forget both, go back to SQL.
    if (ended && ended.failures.length > 0) {
      abandon.abort()
      await computing
      enter('recovering')
      decide(deps, planner, ended)
      await deps.runtime.clock.sleep(backoff.nextMs(), stop)
      if (!(await recover(deps, stop))) break
      settleUnknown(deps, ended)
      enter('running')
      continue
    }
    if (ended) {
      planner.committed(ended.results.map((result) => result.range))
      lastCommitAt = deps.runtime.clock.monotonicMs()
      backoff.reset()
      if (until && deps.ownership.hasReached(until)) abandon.abort()
    }

    const computed = await computing
    if (!computed.ok) {
      if (!mayResume(deps, computed.error)) throw computed.error
      enter('recovering')
      if (!(await recover(deps, stop))) break
      enter('running')
      continue
    }
    if (await applyAssignmentChange(deps, stop)) continue
    if (computed.results.length > 0) {
      inFlight = commitAndAcknowledge(deps, computed.results, computed.computeMs)
      // It is awaited in the next round; a rejection before that is not unhandled.
      inFlight.catch(() => {})
    }
  }

  enter('stopping')
  await finish(deps, inFlight, until)
  enter('stopped')
}

async function compute(deps: DriverDeps, plan: BatchPlan, signal: AbortSignal): Promise<Computed> {
  const { clock } = deps.runtime
  const startedAt = clock.monotonicMs()
  try {
    const results = await deps.executor.compute(plan, signal)
    return { ok: true, results, computeMs: clock.monotonicMs() - startedAt }
  } catch (error) {
    return { ok: false, error: asError(error) }
  }
}

/**
 * What a batch that did not commit means: whether it is worth another try, and how large.
 * @throws OncesinkError when it is not
 */
function decide(deps: DriverDeps, planner: Planner, ended: BatchEnd): void {
  const [failure] = ended.failures
  invariant(failure, 'a batch without failures was to be decided about')
  const error = 'error' in failure ? failure.error : null
  deps.events.emit('batchFailed', {
    batchId: ended.batchId,
    ranges: ended.failures.map(({ range }) => range),
    reason: failure.kind,
    error,
  })
  const taken = ended.failures.filter((f) => f.kind === 'fenced' && f.reason === 'owned-by-other')
  if (taken.length > 0) {
    throw ownershipLost(
      deps.job.name,
      taken.map(({ range }) => range),
      null,
    )
  }
  if (failure.kind !== 'aborted') return
  if (!(failure.error instanceof OncesinkError)) throw failure.error
  const { code } = failure.error
  if (code === 'ROWS_REJECTED') {
    if (!planner.rejected(ended.results, deps.ownership.claims())) throw alone(ended, failure.error)
    return
  }
  if (!isPassing(failure.error)) throw failure.error
  const worthwhile = planner.failed(ended.results, deps.ownership.claims(), code)
  // A connection that is lost again and again makes batches smaller, but is no reason to give up.
  if (!worthwhile && code === 'TRANSACTION_ABORTED') throw alone(ended, failure.error)
}

/** The error of a batch that holds a single record: names the record. */
function alone(ended: BatchEnd, error: OncesinkError): OncesinkError {
  const range = (ended.results.find((result) => result.records > 0) ?? ended.results[0])?.range
  if (!range) return error
  const { topic, partition } = range
  return new OncesinkError(
    error.code === 'ROWS_REJECTED' ? 'ROWS_REJECTED' : 'DATABASE_REFUSED',
    `${error.message}\nThe record alone in ${formatRange(range)} causes it; everything before it is committed. ` +
      'Filter it out or mend it in the job, then start again: the job resumes there.',
    { cause: error, record: { topic, partition, offset: range.until - 1n } },
  )
}

/** After a claim the position tells whether a COMMIT without an answer had arrived. */
function settleUnknown(deps: DriverDeps, ended: BatchEnd): void {
  const [unknown] = ended.failures.filter((failure) => failure.kind === 'unknown')
  if (!unknown) return
  const position = deps.ownership.claimOf(unknown.range)?.nextOffset
  deps.events.emit('outcomeSettled', { batchId: ended.batchId, committed: position === unknown.range.until })
}

/**
 * Passing errors, and a start that the log has left behind before anything was committed: the claim resolves a
 * symbolic start again; an explicit one stays out of range and stops the job at the seek.
 */
function mayResume(deps: DriverDeps, error: Error): boolean {
  if (isPassing(error)) return true
  if (!(error instanceof OncesinkError) || error.code !== 'OFFSET_OUT_OF_RANGE' || !error.partition)
    return false
  const claim = deps.ownership.claimOf(error.partition)
  return claim?.seq === 0n
}

/** Lost partitions are dropped, gained ones claimed and sought. A batch computed meanwhile is read again. */
async function applyAssignmentChange(deps: DriverDeps, stop: AbortSignal): Promise<boolean> {
  const { gained, lost } = deps.membership.takeChanges()
  if (gained.length === 0 && lost.length === 0) return false
  if (lost.length > 0) {
    deps.executor.drop(lost)
    deps.ownership.remove(lost)
    deps.events.emit('lost', { partitions: lost })
  }
  if (gained.length > 0) await gain(deps, gained, stop)
  // Positions of kept partitions: the batch that was computed beside this is not committed, so read it again.
  await deps.executor.seek(deps.ownership.claims())
  return true
}

/** Lets the batch in flight end, then commits what is left of control batches, so that a position never lags for nothing. */
async function finish(
  deps: DriverDeps,
  inFlight: Promise<BatchEnd> | null,
  until: ReadonlyMap<string, bigint> | null,
): Promise<void> {
  const ended = await inFlight
  if (ended && ended.failures.length > 0) return
  if (until) return
  const plan: BatchPlan = { maxRecords: 1, maxWaitMs: 0, includeEmptyRanges: true, order: 'fair' }
  const rest = await compute(deps, plan, new AbortController().signal)
  if (rest.ok && rest.results.length > 0) await commitAndAcknowledge(deps, rest.results, rest.computeMs)
}

/** The last stable offset of every owned partition, as exclusive upper bounds. */
async function logEnds(deps: DriverDeps): Promise<Map<string, bigint>> {
  const claims = deps.ownership.claims()
  const bounds = await deps.source.watermarks(claims)
  return new Map(bounds.map((bound) => [topicPartitionKey(bound), bound.lastStable]))
}

/** Waits until the next batch is due: at once, or `intervalMs` after the previous one began. */
function pacemaker(deps: DriverDeps): (stop: AbortSignal) => Promise<void> {
  const { intervalMs } = deps.job.trigger
  const { clock } = deps.runtime
  let due = clock.monotonicMs()
  return async (stop) => {
    if (intervalMs === 0) return
    await clock.sleep(Math.max(0, due - clock.monotonicMs()), stop)
    due = Math.max(due + intervalMs, clock.monotonicMs())
  }
}

function stateMachine(deps: DriverDeps): (to: JobState) => void {
  let from: JobState = 'starting'
  return (to) => {
    deps.events.emit('stateChanged', { from, to })
    from = to
  }
}
