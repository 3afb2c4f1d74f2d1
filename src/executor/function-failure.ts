import { OncesinkError } from '../errors.ts'
import { describeValue, excerpt, isThenable, printable } from '../model/excerpt.ts'
import { recordOffset } from '../source/record-fields.ts'
import type { RecordSegment } from '../source/record-segment.ts'

/** Bytes of a record's value that an excerpt is made of. */
const EXCERPT_BYTES = 512

/** Longest reason that is quoted, in characters. Whole it is in the cause. */
const MAX_REASON = 500

/** A function of the job that threw, or gave something it must not, on its way to the code that knows the record. */
export class FunctionFailure extends Error {
  /** Which function: `filter (step 1)`, `key 'item'`. */
  readonly where: string

  constructor(where: string, cause: unknown) {
    super(cause instanceof Error ? reasonOf(cause) : `it threw ${describeValue(cause)}`, { cause })
    this.where = where
  }
}

/** Own complaints are plain Errors and speak for themselves; a TypeError of the job's code is better named. */
function reasonOf(error: Error): string {
  const message = error.name === 'Error' ? error.message : `${error.name}: ${error.message}`
  return printable(message.length > MAX_REASON ? `${message.slice(0, MAX_REASON)}…` : message)
}

/** Calls nothing, returns `result`, and refuses it when it would have to be awaited. */
export function refusePromise<R>(where: string, result: R): R {
  if (!isThenable(result)) return result
  // Nobody will ever await it: its rejection, if it comes, says nothing that this error does not say.
  result.then(undefined, () => {})
  throw new FunctionFailure(
    where,
    new Error(
      'it returned a Promise, but functions of a job are synchronous: a lookup could answer differently in a replay. ' +
        'Look things up in SQL, inside write()',
    ),
  )
}

/**
 * The error of the record with index `i`, with its coordinates and an excerpt of its value.
 * @param ofBatch whether it is only together with others that the record fails
 */
export function recordFailed(
  segment: RecordSegment,
  i: number,
  failure: FunctionFailure,
  ofBatch = false,
): OncesinkError {
  const { topic, partition } = segment
  const offset = BigInt(recordOffset(segment, i))
  return new OncesinkError(
    'JOB_FUNCTION_FAILED',
    `${failure.where} failed at ${topic}/${partition} offset ${offset}: ${failure.message}. ` +
      `The record's value is ${valueExcerpt(segment, i)}. Nothing of its batch is committed: make the job handle ` +
      'such a record, filter it out, or set such records aside with poison: deadLetter(), and start again; it resumes there.',
    { cause: failure.cause, record: { topic, partition, offset }, ofBatch },
  )
}

function valueExcerpt(segment: RecordSegment, i: number): string {
  const [start, end] = [segment.valueStart[i] ?? 0, segment.valueEnd[i] ?? -1]
  if (end === -1) return 'null'
  const text = segment.buffer.toString('utf8', start, Math.min(end, start + EXCERPT_BYTES))
  return `${excerpt(text)} (${end - start} bytes)`
}
