import type { TransactionKind } from '../dialect.ts'
import type { Session } from './session.ts'

/**
 * Opens a transaction. READ COMMITTED is the session's own level; the snapshot takes its moment now, and not with its
 * first read. Each a message of its own: a session that took several statements in one string would take them from
 * the job's code too.
 */
export async function beginTransaction(session: Session, kind: TransactionKind): Promise<void> {
  const purpose = { scope: 'own', doing: 'begin a transaction' } as const
  if (kind === 'snapshot') {
    await session.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ', [], purpose)
    await session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', [], purpose)
  } else {
    await session.query('START TRANSACTION READ WRITE', [], purpose)
  }
}
