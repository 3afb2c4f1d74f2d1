import { type ErrorCode, OncesinkError, type RecordCoordinates } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { type DeadLetterPolicy, MAX_MESSAGE_CHARACTERS, type PoisonCause } from '../model/dead-letter.ts'
import { formatRange, type OffsetRange } from '../model/offset-range.ts'
import type { FailedResult } from '../strategy/strategy.ts'
import type { JobEventBus } from '../telemetry/events.ts'
import type { Assignment } from './assignment.ts'
import { type BatchEnd, ofPartitions } from './batch-in-flight.ts'
import type { Ownership } from './ownership.ts'
import type { Planner } from './planner.ts'
import { isPassing } from './until-done.ts'

/** A batch that did not commit, or not whole. */
export type FailedBatch = Pick<BatchEnd, 'batchId' | 'failures' | 'announce' | 'claims'> & {
  readonly results: readonly FailedResult[]
  /** What computing a part of it has failed with, or null. */
  readonly computeError?: Error | null
}

export interface FailureDeps {
  readonly job: Job
  readonly events: JobEventBus
  readonly ownership: Ownership
}

/**
 * What a batch that did not commit, or of which some ranges did not, means: whether it is worth another try, and how
 * large. Of partitions that were released or claimed anew meanwhile it means nothing.
 * @throws OncesinkError when it is not
 */
export function decide(
  deps: FailureDeps,
  assignment: Assignment,
  planner: Planner,
  batch: FailedBatch,
): void {
  announceFailures(deps, batch)
  const current = failuresOf(deps, batch)
  const taken = current.flatMap((f) =>
    f.kind === 'fenced' && f.reason === 'owned-by-other' ? [{ ...f.range, owner: f.owner }] : [],
  )
  assignment.fenced(taken)
  const failure = current.find(({ kind }) => kind === 'aborted')
  if (failure?.kind !== 'aborted') return
  const aborted = current.flatMap(({ kind, range }) => (kind === 'aborted' ? [range] : []))
  const results = ofPartitions(batch.results, aborted)
  const ended = { ...batch, results }
  if (!(failure.error instanceof OncesinkError)) throw failure.error
  const { code } = failure.error
  // What computing has failed with is told by it, not by the outcome: nothing of the database's is to blame.
  if (ended.computeError === failure.error && !isPassing(failure.error)) {
    const records = ended.results.reduce((sum, result) => sum + result.records, 0)
    if (mayPass(assignment, planner, records, failure.error)) return
    throw failure.error
  }
  const { poison } = deps.job
  if (code === 'ROWS_REJECTED' || (failure.error.ofBatch && poison.kind === 'deadLetter')) {
    if (planner.rejected(ended.results)) return
    const record = loneRecord(ended)
    if (poison.kind === 'fail' || !record) throw alone(ended, failure.error)
    condemn(planner, poison, record, failure.error)
    return
  }
  if (!isPassing(failure.error)) throw failure.error
  const rounds = planner.failed(ended.results, code)
  if (rounds >= (roundsBeforeGivingUp[code] ?? Number.POSITIVE_INFINITY)) throw stuck(ended, failure.error)
}

/** Ranges that did not commit, of partitions that still are read under the claim that they had then. */
export function failuresOf(
  { ownership }: Pick<FailureDeps, 'ownership'>,
  ended: FailedBatch,
): BatchEnd['failures'] {
  return ownership.stillOwned(ended.claims, ended.failures)
}

/** One event for each way in which ranges of the batch did not commit. */
function announceFailures({ events }: Pick<FailureDeps, 'events'>, { batchId, failures }: FailedBatch): void {
  for (const reason of new Set(failures.map(({ kind }) => kind))) {
    const of = failures.filter(({ kind }) => kind === reason)
    const error = of.find((failure) => 'error' in failure)?.error ?? null
    events.emit('batchFailed', { batchId, ranges: of.map(({ range }) => range), reason, error })
  }
}

/**
 * Whether computing again from the positions in SQL may bring more than `error`, perhaps in smaller batches.
 * @param records at most so many were computed
 */
export function mayPass(assignment: Assignment, planner: Planner, records: number, error: Error): boolean {
  if (isPassing(error) || assignment.isExpiredStart(error)) return true
  if (!(error instanceof OncesinkError && error.ofBatch && error.record)) return false
  planner.failsTogether(error.record, records)
  return true
}

/**
 * Rounds of failures of one and the same record, with claims that succeeded in between, before the job stops: a
 * function that never returns looks like a database that hangs up again and again. Locks that others hold are waited
 * for without end: they say nothing about the record.
 */
const roundsBeforeGivingUp: Partial<Record<ErrorCode, number>> = {
  STATEMENT_TIMEOUT: 2,
  DATABASE_UNAVAILABLE: 4,
}

/**
 * The record that stands alone in its batch; null when there is none, or when it is left out already and so cannot be
 * what is wrong.
 */
function loneRecord({ results }: FailedBatch): RecordCoordinates | null {
  const result = results.find(({ records }) => records > 0)
  if (!result || result.lastOffset === null || result.deadLetters.length > 0) return null
  return { topic: result.range.topic, partition: result.range.partition, offset: result.lastOffset }
}

/** @throws OncesinkError DEAD_LETTER_LIMIT when more records of what was one batch are rejected than one may have */
function condemn(
  planner: Planner,
  { maxPerBatch }: DeadLetterPolicy,
  record: RecordCoordinates,
  error: OncesinkError,
): void {
  if (planner.condemn({ ...record, cause: causeOf(error) }) <= maxPerBatch) return
  const { topic, partition, offset } = record
  throw new OncesinkError(
    'DEAD_LETTER_LIMIT',
    `the database has rejected ${maxPerBatch} records of one batch, which poison.maxPerBatch allows, and now ${topic}/${partition} ` +
      `offset ${offset}: ${error.message}. The records before it are committed or set aside ('oncesink dlq list'). Mend the table ` +
      'or the job, or raise poison.maxPerBatch, and start again; the job resumes there.',
    { cause: error, record },
  )
}

function causeOf(error: OncesinkError): PoisonCause {
  return {
    code: error.code === 'ROWS_REJECTED' ? error.code : 'JOB_FUNCTION_FAILED',
    stage: 'sink',
    message: error.message.slice(0, MAX_MESSAGE_CHARACTERS),
    stack: null,
  }
}

/** The error of a batch that holds a single record, which the database rejects: names the record. */
function alone(ended: FailedBatch, error: OncesinkError): OncesinkError {
  return ofRecord(
    ended,
    error,
    'ROWS_REJECTED',
    'causes it; everything before it is committed. Filter it out, mend it in the job, or set such records aside with poison: deadLetter(), then start again: the job resumes there.',
  )
}

/** The error of a batch that holds a single record, and whose transaction does not come to an end. */
function stuck(ended: FailedBatch, error: OncesinkError): OncesinkError {
  return ofRecord(
    ended,
    error,
    'DATABASE_REFUSED',
    'was being written each time; everything before it is committed. See what the database does then (a slow trigger?), ' +
      "and whether the job's own function returns. The next start resumes there.",
  )
}

function ofRecord(ended: FailedBatch, error: OncesinkError, code: ErrorCode, what: string): OncesinkError {
  const result = ended.results.find(({ records }) => records > 0)
  if (!result || result.lastOffset === null) return error
  const { range, lastOffset: offset } = result
  const { topic, partition } = range
  return new OncesinkError(
    code,
    `${error.message}\nThe record at offset ${offset}, alone in ${formatRange(range)}, ${what}`,
    { cause: error, record: { topic, partition, offset } },
  )
}

/**
 * After a claim the positions tell whether a COMMIT without an answer had arrived. If it had, the batch is announced
 * like any other. Of partitions that are somebody else's now they tell it to their new owner.
 * @returns whether anything of it has committed after all
 */
export function settleUnknown(deps: FailureDeps, planner: Planner, ended: FailedBatch): boolean {
  const unknown = unknownOf(deps, ended)
  if (unknown.length === 0) return false
  const committed = unknown.filter((range) => deps.ownership.claimOf(range)?.nextOffset === range.until)
  deps.events.emit('outcomeSettled', {
    batchId: ended.batchId,
    committed: committed.length === unknown.length,
  })
  if (committed.length > 0) ended.announce(committed)
  else planner.failed(ended.results, 'COMMIT_OUTCOME_UNKNOWN')
  return committed.length > 0
}

/** Ranges of which it is not known whether they have committed, of partitions that still are this process's. */
export function unknownOf({ ownership }: Pick<FailureDeps, 'ownership'>, ended: FailedBatch): OffsetRange[] {
  return ended.failures
    .filter(({ kind, range }) => kind === 'unknown' && ownership.claimOf(range))
    .map(({ range }) => range)
}
