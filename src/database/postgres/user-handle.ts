import type { Knex } from 'knex'
import { OncesinkError } from '../../errors.ts'
import type { Session } from './session.ts'
import { UserStatements } from './user-statements.ts'

/**
 * Runs user code with a knex handle whose every statement goes through {@link UserStatements} to this session's
 * transaction. The handle has no pool and no connection of its own.
 *
 * Values: `timestamp` and `date` are read and written as UTC, `bigint` and `numeric` are read as strings.
 */
export async function runUserCode(session: Session, work: (trx: Knex) => Promise<unknown>): Promise<void> {
  const statements = new UserStatements(session)
  // Loaded when it is first needed: most jobs have no code of their own in the transaction, and knex slows a start.
  const { createHandle } = await import('./knex-handle.ts')
  let failure: unknown
  try {
    await settledOrLost(session, work(createHandle(statements)))
  } catch (error) {
    failure = error ?? new Error(`the function threw ${String(error)}`)
  }
  await statements.close()
  // A session that is over may leave statements unsettled: that is not the function's fault.
  if (session.broken && statements.poison?.code !== 'DATABASE_UNAVAILABLE') {
    throw session.classify(failure, { scope: 'sink', doing: "run the job's function" })
  }
  // The statement's own failure says more than what the function made of it.
  if (statements.poison) throw statements.poison
  if (failure !== undefined) {
    const reason = failure instanceof Error ? failure.message : String(failure)
    throw new OncesinkError(
      'JOB_FUNCTION_FAILED',
      `the job's function failed in the transaction: ${reason}`,
      {
        cause: failure,
      },
    )
  }
}

/**
 * Waits for `work`, and rejects when the session breaks: a function that waits for something else than its statements
 * for too long is ended by the server (idle in transaction), and would otherwise never hear of it.
 *
 * Nothing of a call may stay with the session, which lives as long as the job: the promise that is raced is the
 * call's own, and its listener is taken away.
 */
async function settledOrLost(session: Session, work: Promise<unknown>): Promise<void> {
  let unsubscribe = () => {}
  const lost = new Promise<never>((_, reject) => {
    unsubscribe = session.onLoss(reject)
  })
  try {
    await Promise.race([work, lost])
  } finally {
    unsubscribe()
  }
}
