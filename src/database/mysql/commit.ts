import { asError, OncesinkError } from '../../errors.ts'
import type { CommitResult } from '../dialect.ts'
import { asServerError } from './errors.ts'
import type { Session } from './session.ts'

/**
 * Sends COMMIT and sorts what comes back. Only an error that says so for certain means "not committed" (see
 * {@link isDefinite}). Anything else, and silence most of all, leaves it open.
 * @param beforeCommit throws when COMMIT must not be sent
 */
export async function commit(session: Session, beforeCommit: () => Promise<void>): Promise<CommitResult> {
  if (session.broken) {
    const error = session.classify(new Error('Connection terminated before COMMIT was sent'), commitPurpose)
    return { kind: 'aborted', error }
  }
  try {
    await beforeCommit()
  } catch (error) {
    await rollback(session)
    return { kind: 'aborted', error: asError(error) }
  }
  try {
    await session.send('COMMIT', [], { interruptible: false })
    return { kind: 'committed' }
  } catch (error) {
    if (isDefinite(error)) {
      const classified = session.classify(error, commitPurpose)
      await rollback(session)
      return { kind: 'aborted', error: classified }
    }
    session.destroy()
    const message =
      `COMMIT was sent to ${session.target}, and whether it happened is not known ` +
      `(${error instanceof Error ? error.message : String(error)}). The stored positions will tell.`
    return { kind: 'unknown', error: new OncesinkError('COMMIT_OUTCOME_UNKNOWN', message, { cause: error }) }
  }
}

/** Rolls back, or cuts the connection, which makes the server do it. Never throws. */
export async function rollback(session: Session): Promise<void> {
  if (session.broken) return
  try {
    await session.query('ROLLBACK', [], { scope: 'own', doing: 'roll back' })
  } catch (error) {
    session.destroy(asError(error))
  }
}

const commitPurpose = { scope: 'sink', doing: 'commit' } as const

/**
 * Errors to COMMIT after which nothing of the transaction is stored: the commit lock of the whole server that was waited
 * for in vain (1205: the server rolls back before it has begun to commit), and what says by its class that it was rolled
 * back (40: deadlocks, and clusters that certified another transaction first, 1213 and 3101).
 *
 * Whatever is not known for certain counts as unknown, which is always safe: the positions tell. So 1180 ("error during
 * COMMIT"), which comes after the decision to commit as well; an interrupted COMMIT (1317, 1969); one that a server
 * refused because it became read-only meanwhile (1290); and 40003, which says by its name that the outcome is unknown.
 */
function isDefinite(error: unknown): boolean {
  const server = asServerError(error)
  if (server === null || server.sqlState === '40003') return false
  return server.errno === LOCK_WAIT_TIMEOUT || server.sqlState.startsWith('40')
}

const LOCK_WAIT_TIMEOUT = 1_205
