import { asError, OncesinkError } from '../../errors.ts'
import type { CommitResult } from '../dialect.ts'
import type { Canary } from './canary.ts'
import { asServerError } from './errors.ts'
import type { Session } from './session.ts'

/**
 * Looks whether this is still the same transaction, then sends COMMIT and sorts what comes back. Only an error that
 * says so for certain means "not committed" (see {@link isDefinite}). Anything else, and silence most of all, leaves
 * it open.
 */
export async function commit(session: Session, canary: Canary | null): Promise<CommitResult> {
  if (session.broken) {
    const error = session.classify(new Error('Connection terminated before COMMIT was sent'), commitPurpose)
    return { kind: 'aborted', error }
  }
  try {
    await canary?.release()
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
 * Errors to COMMIT after which nothing of the transaction is stored: a lock of the whole server that was waited for in
 * vain (1205), a cluster that certified another transaction first (1213, 1180), group replication (3101), a row that
 * changed (1020), and whatever says by its class that it was rolled back (40) or that values are at fault (22, 23).
 * InnoDB has no deferred constraints, so the last two are for other engines' and clusters' sake. Not believed: an
 * interrupted COMMIT (1317, 1969), one that a server refused because it became read-only meanwhile, and 40003, which
 * says by its name that the outcome is unknown.
 */
function isDefinite(error: unknown): boolean {
  const server = asServerError(error)
  if (server === null || server.sqlState === '40003') return false
  return definite.has(server.errno) || /^(22|23|40)/.test(server.sqlState)
}

const definite: ReadonlySet<number> = new Set([1_020, 1_180, 1_205, 1_213, 3_101])
