import { OncesinkError } from '../errors.ts'
import {
  type DeadLetter,
  type DeadLetterPolicy,
  type KeptBytes,
  MAX_HEADER_BYTES,
  MAX_KEY_BYTES,
  MAX_MESSAGE_CHARACTERS,
  MAX_STACK_CHARACTERS,
  MAX_VALUE_BYTES,
  type PoisonCause,
  type PoisonPolicy,
} from '../model/dead-letter.ts'
import { compareTopicPartitions, topicPartitionKey } from '../model/topic-partition.ts'
import { recordHeaderList, recordKey, recordOffset, recordValue } from '../source/record-fields.ts'
import type { RecordSegment } from '../source/record-segment.ts'
import type { FetchedRange } from '../source/source.ts'
import type { CondemnedRecord, PartitionResult } from './executor.ts'
import type { FunctionFailure } from './function-failure.ts'
import type { PartitionTask } from './partition-task.ts'

/**
 * Runs `task` over one range, and makes dead letters of the records that it cannot take.
 * @throws OncesinkError what the task throws; DEAD_LETTER_LIMIT when the range alone has more than a batch may
 */
export async function runWithDeadLetters(
  task: PartitionTask,
  fetched: FetchedRange,
  signal: AbortSignal,
  policy: DeadLetterPolicy,
  condemned: readonly CondemnedRecord[] = [],
): Promise<PartitionResult> {
  const { range } = fetched
  const letters: DeadLetter[] = []
  const here = condemned.find((record) => compareTopicPartitions(record, range) === 0)
  const sentenced = here && findRecord(fetched, Number(here.offset))
  const result = await task.run(fetched, signal, {
    leaveOut: new Set(here ? [Number(here.offset)] : []),
    onFailure(segment, i, failure) {
      letters.push(letterOf(segment, i, causeOf(failure)))
      if (letters.length > policy.maxPerBatch) throw tooMany(letters, policy)
    },
  })
  if (here && sentenced) letters.push(letterOf(sentenced.segment, sentenced.i, here.cause))
  letters.sort((a, b) => (a.offset < b.offset ? -1 : 1))
  return { ...result, deadLetters: letters }
}

/**
 * @param before dead letters that the batch has already, in parts of it that were computed earlier
 * @throws OncesinkError DEAD_LETTER_LIMIT when the ranges of one batch have more dead letters than it may
 */
export function refuseTooMany(
  results: readonly PartitionResult[],
  policy: PoisonPolicy,
  before: number | undefined = 0,
): void {
  if (policy.kind === 'fail') return
  const letters = results.flatMap(({ deadLetters }) => deadLetters)
  if (letters.length > 0 && before + letters.length > policy.maxPerBatch) throw tooMany(letters, policy)
}

/** The error of a batch with more dead letters than one may have. */
export function tooMany(letters: readonly DeadLetter[], { maxPerBatch }: DeadLetterPolicy): OncesinkError {
  const [first] = letters as [DeadLetter]
  return new OncesinkError(
    'DEAD_LETTER_LIMIT',
    `more records of one batch fail than poison.maxPerBatch allows (${maxPerBatch}), so it is hardly the records' fault. The first ` +
      `is ${topicPartitionKey(first)} offset ${first.offset}: ${first.cause.stage} failed: ${first.cause.message}. Nothing of the batch is ` +
      'committed: mend the job, or raise poison.maxPerBatch if all of these are to be set aside, and start again; it resumes there.',
    { record: first },
  )
}

export function causeOf({ where, message, cause }: FunctionFailure): PoisonCause {
  const stack = cause instanceof Error && cause.stack ? cause.stack.slice(0, MAX_STACK_CHARACTERS) : null
  return {
    code: 'JOB_FUNCTION_FAILED',
    stage: where,
    message: message.slice(0, MAX_MESSAGE_CHARACTERS),
    stack,
  }
}

/** A copy: the fetch response that the record lies in is not to be held for it. */
function letterOf(segment: RecordSegment, i: number, cause: PoisonCause): DeadLetter {
  const key = kept(recordKey(segment, i), MAX_KEY_BYTES)
  const value = kept(recordValue(segment, i), MAX_VALUE_BYTES)
  const headers = keptHeaders(segment, i)
  const isCut = (bytes: KeptBytes | null) => bytes !== null && bytes.bytes.length < bytes.length
  return {
    topic: segment.topic,
    partition: segment.partition,
    offset: BigInt(recordOffset(segment, i)),
    timestampMs: segment.timestamps[i] ?? 0,
    key,
    value,
    headers: headers.kept,
    truncated: isCut(key) || isCut(value) || headers.truncated,
    cause,
  }
}

function kept(bytes: Uint8Array | null, limit: number): KeptBytes | null {
  return bytes && { bytes: Buffer.from(bytes.subarray(0, limit)), length: bytes.length }
}

function keptHeaders(segment: RecordSegment, i: number) {
  const all = recordHeaderList(segment, i)
  let room = MAX_HEADER_BYTES
  const whole = all.findIndex(([name, value]) => {
    room -= Buffer.byteLength(name) + (value?.length ?? 0)
    return room < 0
  })
  const headers = (whole === -1 ? all : all.slice(0, whole)).map(
    ([name, value]) => [name, value && Buffer.from(value)] as const,
  )
  return { kept: headers, truncated: whole !== -1 }
}

/** Where in the range the record at `offset` is; null when the range does not have it. */
function findRecord({ slices }: FetchedRange, offset: number): { segment: RecordSegment; i: number } | null {
  for (const { segment, begin, end } of slices) {
    for (let i = begin; i < end; i++) if (recordOffset(segment, i) === offset) return { segment, i }
  }
  return null
}
