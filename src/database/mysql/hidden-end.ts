import { OncesinkError } from '../../errors.ts'
import type { RangeAdvance } from '../dialect.ts'
import { countMoved } from './advance-ranges.ts'
import type { Canary } from './canary.ts'
import { rollback } from './commit.ts'
import { asServerError } from './errors.ts'
import type { Session } from './session.ts'

/** What a transaction has moved before the job's own code ran: stored now, and somebody has committed. */
export interface Advanced {
  readonly job: string
  readonly advances: readonly RangeAdvance[]
}

/**
 * The transaction's end, for one that is no longer the same: it was ended by the job's own SQL. How, the positions tell
 * once it is over for certain, and the two cases want different deeds: after a COMMIT rows are missing, after a
 * ROLLBACK (or a deadlock that a handler has swallowed) there are rows too many.
 */
export async function hiddenEnd(
  session: Session,
  advanced: Advanced | null,
  cause?: unknown,
): Promise<OncesinkError> {
  const committed = await wasCommitted(session, advanced)
  return new OncesinkError(
    'INVARIANT_VIOLATED',
    `invariant violated: the transaction at ${session.target} ended before its COMMIT, in the job's own SQL. ` +
      `${words[String(committed) as keyof typeof words]} Compare the tables with the topic (oncesink verify) before you start ` +
      'the job again',
    { cause },
  )
}

/**
 * A failure of the job's own code, unless it hides that the code has ended the transaction before: a procedure that
 * truncates a table and then meets a duplicate key has committed the positions, and its error says nothing of it.
 */
export async function failureOrHiddenEnd(
  session: Session,
  canary: Canary,
  advanced: Advanced | null,
  failure: unknown,
): Promise<unknown> {
  if (session.broken) return failure
  const there = await canary.release().catch(() => null)
  if (there === true) return failure
  const committed = await wasCommitted(session, advanced)
  // A session that did not answer the question may still be in its transaction.
  const explained = there === null || (await rollsBackByItself(session, failure))
  return explained && committed !== true ? failure : hiddenEnd(session, advanced, failure)
}

/** Whether the server ends the whole transaction with this error, and the canary with it. */
async function rollsBackByItself(session: Session, failure: unknown): Promise<boolean> {
  if (!(failure instanceof OncesinkError) || failure.code !== 'TRANSACTION_ABORTED') return false
  if (asServerError(failure.cause)?.errno !== LOCK_WAIT_TIMEOUT || session.broken) return true
  const { rows } = await session.query<{ whole: string }>(
    'SELECT @@innodb_rollback_on_timeout AS whole',
    [],
    {
      scope: 'own',
      doing: 'ask what a lock timeout takes back',
    },
  )
  return rows[0]?.whole === '1'
}

/** Undoes one statement only, unless the server is told otherwise. */
const LOCK_WAIT_TIMEOUT = 1_205

const words = {
  true:
    'It was committed: by a COMMIT, DDL, or one of the other statements with an implicit commit (TRUNCATE, LOCK TABLES, ' +
    '...) in a procedure that it calls. The positions have moved and the rows written until then are stored; those after ' +
    'it are missing, or stored on their own. Take the statement out of the procedure.',
  false:
    'It was rolled back: by a ROLLBACK in a procedure that it calls, or by a deadlock (1213) whose error a handler there has ' +
    'swallowed. The positions have not moved; rows that the procedure wrote after it may be stored all the same, and would ' +
    'be written again. Let the procedure neither roll back nor handle such errors.',
  null:
    'Something in a procedure that it calls has committed or rolled back: a COMMIT, a ROLLBACK, DDL, one of the other ' +
    'statements with an implicit commit (TRUNCATE, LOCK TABLES, ...), or a deadlock whose error a handler has swallowed. ' +
    'Whether the positions have moved could not be read. Take it out of the procedure.',
}

/** Null where it cannot be told: nothing was advanced, or the session is lost. Ends the transaction. */
async function wasCommitted(session: Session, advanced: Advanced | null): Promise<boolean | null> {
  await rollback(session)
  if (session.broken || advanced === null) return null
  try {
    return (await countMoved(session, advanced.job, advanced.advances)) > 0
  } catch (error) {
    if (error instanceof OncesinkError && error.disposition === 'retry') return null
    throw error
  }
}
