import { invariant, OncesinkError } from '../../errors.ts'
import type { DeadLetter, DeadLetterPolicy } from '../../model/dead-letter.ts'
import { topicPartitionKey } from '../../model/topic-partition.ts'
import type { DeadLetterWrite, Transaction } from '../dialect.ts'
import type { ClaimedRange, RangeContents } from './commit-batch.ts'
import type { JobSession } from './session.ts'

/** How many records the job may set aside in a sliding window of time. */
export type DeadLetterLimit = Pick<DeadLetterPolicy, 'maxPerWindow' | 'windowMs'>

/**
 * Writes the dead letters of a batch, in the transaction that moves the positions past them.
 *
 * The window is counted in the database, by its clock, so that neither a restart nor another process begins a new
 * budget. Transactions that run at once do not see each other's dead letters: each counts what has committed.
 * @throws OncesinkError DEAD_LETTER_LIMIT
 */
export async function setAside(
  session: JobSession,
  trx: Transaction,
  batchId: string,
  ranges: readonly (Pick<ClaimedRange, 'claim'> & Pick<RangeContents, 'deadLetters'>)[],
  limit: DeadLetterLimit | null,
): Promise<void> {
  const letters = ranges.flatMap(({ claim, deadLetters }) =>
    deadLetters.map((letter): DeadLetterWrite => ({ letter, incarnation: claim.incarnation, batchId })),
  )
  const [first] = letters
  if (!first) return
  invariant(limit, 'a job whose poison policy is to fail has set a record aside')
  const lately = await trx.countDeadLetters(session.job, limit.windowMs)
  refuseOverWindow(
    session.job,
    lately,
    letters.map(({ letter }) => letter),
    limit,
  )
  await trx.writeDeadLetters(session.job, letters)
  await session.runtime.faultPoints.reach('transaction.dead-letters-written')
}

/**
 * @param lately records that were set aside within the window before these
 * @throws OncesinkError DEAD_LETTER_LIMIT where they are too many together
 */
export function refuseOverWindow(
  job: string,
  lately: number,
  letters: readonly DeadLetter[],
  limit: DeadLetterLimit,
): void {
  const [first] = letters
  if (first === undefined || lately + letters.length <= limit.maxPerWindow) return
  throw new OncesinkError(
    'DEAD_LETTER_LIMIT',
    `job '${job}' has set ${lately} records aside in the last ${limit.windowMs} ms, and the next batch would add ` +
      `${letters.length}: poison.maxPerWindow allows ${limit.maxPerWindow}. ${describe(first)} Nothing of that batch is committed. See ` +
      "'oncesink dlq list', mend what makes records fail or raise poison.maxPerWindow, and start again: the job resumes there.",
    { record: first },
  )
}

/** The first of them, in one sentence. */
export function describe(letter: DeadLetter): string {
  return `The first is ${topicPartitionKey(letter)} offset ${letter.offset}: ${letter.cause.stage} failed: ${letter.cause.message}.`
}
