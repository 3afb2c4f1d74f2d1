import type { Knex } from 'knex'
import { OncesinkError } from '../errors.ts'
import { type UserCodeEngine, UserStatements } from './user-statements.ts'

/** What user code needs of the session that its transaction is on. */
export interface UserCodeSession {
  readonly broken: boolean
  /** Calls `listener` when the session breaks; returns what takes the listener away. */
  onLoss(listener: (reason: Error) => void): () => void
}

/**
 * Runs user code with a knex handle whose every statement goes through {@link UserStatements} to the session's
 * transaction. The handle has no pool and no connection of its own.
 * @param handleFor makes the handle
 */
export async function runUserCode<Result>(
  session: UserCodeSession,
  engine: UserCodeEngine<Result>,
  handleFor: (statements: UserStatements<Result>) => Promise<Knex>,
  work: (trx: Knex) => Promise<unknown>,
): Promise<void> {
  const statements = new UserStatements(engine)
  const handle = await handleFor(statements)
  let failure: unknown
  try {
    await settledOrLost(session, work(handle))
  } catch (error) {
    failure = error ?? new Error(`the function threw ${String(error)}`)
  }
  await statements.close()
  // A session that is over may leave statements unsettled: that is not the function's fault.
  if (session.broken && statements.poison?.code !== 'DATABASE_UNAVAILABLE') {
    throw engine.classify(failure, "run the job's function")
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
async function settledOrLost(session: UserCodeSession, work: Promise<unknown>): Promise<void> {
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
