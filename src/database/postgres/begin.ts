import type { TransactionKind } from '../dialect.ts'
import { CONNECTION_CHECK_INTERVAL_MS, type ServerFacts } from './connect.ts'
import type { PostgresPlan } from './options.ts'
import type { Session } from './session.ts'

const modes: Record<TransactionKind, string> = {
  claim: 'ISOLATION LEVEL READ COMMITTED READ WRITE',
  batch: 'ISOLATION LEVEL READ COMMITTED READ WRITE',
  snapshot: 'ISOLATION LEVEL REPEATABLE READ READ ONLY',
}

/**
 * BEGIN and the transaction's bounds, in one message. SET LOCAL, because behind a pooler in transaction mode only
 * the transaction is certain to stay on this backend.
 */
export async function beginTransaction(
  session: Session,
  kind: TransactionKind,
  plan: PostgresPlan,
  facts: ServerFacts,
): Promise<void> {
  const settings = [
    `statement_timeout = ${plan.statementTimeoutMs}`,
    `lock_timeout = ${plan.lockTimeoutMs}`,
    `idle_in_transaction_session_timeout = ${plan.idleInTransactionTimeoutMs}`,
    `TimeZone = 'UTC'`,
  ]
  if (facts.checksConnections) {
    settings.push(`client_connection_check_interval = ${CONNECTION_CHECK_INTERVAL_MS}`)
  }
  const statements = [`BEGIN ${modes[kind]}`, ...settings.map((setting) => `SET LOCAL ${setting}`)]
  await session.query(statements.join('; '), null, { scope: 'own', doing: 'begin a transaction' })
}
