import { asError, OncesinkError } from '../../errors.ts'
import type { CommitResult } from '../dialect.ts'
import { asServerError } from './errors.ts'
import type { Session } from './session.ts'

/**
 * Sends COMMIT and sorts what comes back. Only two answers say for certain that nothing was committed: the command
 * tag ROLLBACK (a transaction that has failed answers COMMIT with it, and without an error), and an error of severity
 * ERROR (see {@link isDefinite}). Anything else, and silence most of all, leaves it open.
 */
export async function commit(session: Session): Promise<CommitResult> {
  if (session.broken) {
    const error = session.classify(new Error('Connection terminated before COMMIT was sent'), commitPurpose)
    return { kind: 'aborted', error }
  }
  try {
    const { command } = await session.send('COMMIT', null)
    if (command === 'COMMIT') return { kind: 'committed' }
    if (command === 'ROLLBACK') {
      const reason = `${session.target} answered COMMIT with ROLLBACK: a statement of the transaction had failed`
      return { kind: 'aborted', error: new OncesinkError('TRANSACTION_ABORTED', reason) }
    }
    throw new Error(`the server answered COMMIT with '${command}'`)
  } catch (error) {
    if (isDefinite(error)) return { kind: 'aborted', error: session.classify(error, commitPurpose) }
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
    await session.query('ROLLBACK', null, { scope: 'own', doing: 'roll back' })
  } catch (error) {
    session.destroy(asError(error))
  }
}

/** What fails at COMMIT is a constraint or trigger of a sink's table: oncesink's own tables defer none. */
const commitPurpose = { scope: 'sink', doing: 'commit' } as const

/**
 * ERROR means rolled back: until the commit record is written whatever fails (deferred constraints and triggers run
 * here, with any SQLSTATE that they please) aborts the transaction, and after it the server knows only warnings and
 * PANIC. Not believed: 40003, which says by its name that the outcome is unknown, and class 08, which is about the
 * connection and may come from something between here and the server.
 */
function isDefinite(error: unknown): boolean {
  const server = asServerError(error)
  if (server === null || server.code === '40003' || server.code.startsWith('08')) return false
  return server.severity === 'ERROR' || neverFatal.has(server.code.slice(0, 2))
}

/**
 * Classes that are never FATAL or PANIC: data, constraints, serialization, names, and what PL/pgSQL raises. A server
 * whose messages are translated also translates the word ERROR, and pg hands out no other.
 */
const neverFatal: ReadonlySet<string> = new Set(['22', '23', '40', '42', 'P0'])
