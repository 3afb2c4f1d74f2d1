import { invariant, OncesinkError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { formatRange, type OffsetRange } from '../model/offset-range.ts'
import type { JobEventBus } from '../telemetry/events.ts'
import type { BatchEnd } from './batch-in-flight.ts'
import type { Ownership } from './ownership.ts'
import type { Planner } from './planner.ts'
import { ownershipLost } from './recovery.ts'
import { isPassing } from './until-done.ts'

interface FailureDeps {
  readonly job: Job
  readonly events: JobEventBus
  readonly ownership: Ownership
}

/**
 * What a batch that did not commit means: whether it is worth another try, and how large.
 * @throws OncesinkError when it is not
 */
export function decide(deps: FailureDeps, planner: Planner, ended: BatchEnd): void {
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
  const result = ended.results.find(({ records }) => records > 0)
  if (!result || result.lastOffset === null) return error
  const { range, lastOffset: offset } = result
  const { topic, partition } = range
  return new OncesinkError(
    error.code === 'ROWS_REJECTED' ? 'ROWS_REJECTED' : 'DATABASE_REFUSED',
    `${error.message}\nThe record at offset ${offset}, alone in ${formatRange(range)}, causes it; everything before ` +
      'it is committed. Filter it out or mend it in the job, then start again: the job resumes there.',
    { cause: error, record: { topic, partition, offset } },
  )
}

/**
 * After a claim the positions tell whether a COMMIT without an answer had arrived.
 * @returns the ranges that have committed after all
 */
export function settleUnknown(deps: FailureDeps, ended: BatchEnd): OffsetRange[] {
  const unknown = ended.failures.filter(({ kind }) => kind === 'unknown').map(({ range }) => range)
  if (unknown.length === 0) return []
  const committed = unknown.filter((range) => deps.ownership.claimOf(range)?.nextOffset === range.until)
  deps.events.emit('outcomeSettled', {
    batchId: ended.batchId,
    committed: committed.length === unknown.length,
  })
  return committed
}
