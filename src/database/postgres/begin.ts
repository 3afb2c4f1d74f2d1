import type pg from 'pg'
import type { BackendId, TransactionKind } from '../dialect.ts'
import type { ServerFacts } from './connect.ts'
import type { PostgresPlan } from './options.ts'
import type { Session } from './session.ts'
import { startedAt, transactionSettings } from './session-settings.ts'

/** `look`: a short one for what is asked outside of transactions; on a replica as well. */
type Kind = TransactionKind | 'look' | 'change'

const modes: Record<Kind, string> = {
  claim: 'ISOLATION LEVEL READ COMMITTED READ WRITE',
  batch: 'ISOLATION LEVEL READ COMMITTED READ WRITE',
  snapshot: 'ISOLATION LEVEL REPEATABLE READ READ ONLY',
  look: 'ISOLATION LEVEL READ COMMITTED READ ONLY',
  change: 'ISOLATION LEVEL READ COMMITTED READ WRITE',
}

/** Runs `work` in a transaction of its own. */
export type InTransaction = <T>(work: () => Promise<T>) => Promise<T>

export type BeginFacts = Pick<ServerFacts, 'checksConnections'>

/** BEGIN, the transaction's bounds and its settings, in one message. */
export async function beginTransaction(
  session: Session,
  kind: Kind,
  plan: PostgresPlan,
  facts: BeginFacts,
): Promise<void> {
  await session.query(beginText(kind, plan, facts), null, purpose)
}

/**
 * The same for a claim, which others may have to find while it waits for locks: with the id of the backend that runs
 * it, which behind a pooler is another one for every transaction.
 */
export async function beginClaim(
  session: Session,
  plan: PostgresPlan,
  facts: BeginFacts,
): Promise<BackendId | null> {
  const text =
    `${beginText('claim', plan, facts)}; ` +
    `SELECT pid, ${startedAt} AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()`
  // Several statements in one message have several results.
  const results: unknown = await session.query(text, null, purpose)
  const last = (results as pg.QueryResult<{ pid: number; started: string }>[]).at(-1)
  const [row] = last?.rows ?? []
  return row ? { id: row.pid, startedAt: row.started } : null
}

/**
 * One short transaction around `work`, so that every statement of it runs in one backend and under the settings that
 * oncesink relies on. COMMIT may be repeated without harm, whatever `work` is.
 */
export async function inShortTransaction<T>(
  session: Session,
  kind: 'look' | 'change',
  plan: PostgresPlan,
  facts: BeginFacts,
  work: () => Promise<T>,
): Promise<T> {
  await beginTransaction(session, kind, plan, facts)
  try {
    const result = await work()
    await session.query('COMMIT', null, purpose)
    return result
  } catch (error) {
    await rollBack(session)
    throw error
  }
}

/** Rolls back whatever is open; a session in which that fails is over. */
async function rollBack(session: Session): Promise<void> {
  try {
    if (!session.broken) await session.query('ROLLBACK', null, { scope: 'own', doing: 'roll back' })
  } catch {
    // The error that matters is the one that led here; without an answer the server rolls back by itself.
    session.destroy()
  }
}

const purpose = { scope: 'own', doing: 'begin a transaction' } as const

function beginText(kind: Kind, plan: PostgresPlan, { checksConnections }: BeginFacts): string {
  return [`BEGIN ${modes[kind]}`, ...transactionSettings(plan, checksConnections)].join('; ')
}
