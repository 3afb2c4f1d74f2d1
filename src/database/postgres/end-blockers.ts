import type { BackendId, BlockingSession } from '../dialect.ts'
import type { Session } from './session.ts'
import { sessionPrefix } from './session-name.ts'
import { startedAt } from './session-settings.ts'

interface Blocker {
  readonly pid: number
  readonly started: string | null
  /** Start of its transaction. */
  readonly transaction: string | null
  readonly application: string | null
  readonly to_end: boolean
}

/**
 * Who stands between `waiting` and its locks, directly or through others. Ended are this job's sessions that do not
 * wait for another of this job's themselves: behind one stopped owner, only the owner is in the way.
 *
 * `application_name` is set by oncesink when it connects; it is a name, not a proof. Behind a pooler it is the name
 * of whoever uses the backend at that moment (PgBouncer hands it on with every transaction), and the backend that is
 * ended is the one that holds the lock, so the match holds there too.
 */
const findBlockers = `
  WITH RECURSIVE chain(pid, blocker) AS (
    SELECT w.pid, b.pid FROM pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) AS b(pid)
    WHERE w.pid = $1 AND w.backend_start = $2::timestamptz
    UNION
    SELECT c.blocker, b.pid FROM chain c, unnest(pg_blocking_pids(c.blocker)) AS b(pid)
  ), blockers AS (
    SELECT d.pid, ${startedAt} AS started, a.xact_start, a.application_name,
      coalesce(a.datname = current_database() AND starts_with(a.application_name, $3), false) AS ours
    FROM (SELECT DISTINCT blocker AS pid FROM chain) d LEFT JOIN pg_stat_activity a ON a.pid = d.pid
  )
  SELECT b.pid, b.started, b.xact_start::text AS transaction, b.application_name AS application,
    b.ours AND b.pid <> pg_backend_pid() AND b.pid <> $1 AND NOT EXISTS (
      SELECT FROM chain c JOIN blockers other ON other.pid = c.blocker WHERE c.pid = b.pid AND other.ours
    ) AS to_end
  FROM blockers b`

/**
 * Matched in the statement that ends it: on pid and start time, so that a pid that was given to another session is
 * left alone, and on the transaction, so that a backend is too that a pooler has given to another client since.
 */
const endSession = `
  SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
  WHERE pid = $1 AND backend_start = $2::timestamptz AND datname = current_database()
    AND starts_with(application_name, $3) AND xact_start IS NOT DISTINCT FROM $4::timestamptz`

export async function endBlockers(
  session: Session,
  waiting: BackendId,
  job: string,
): Promise<BlockingSession[]> {
  const purpose = { scope: 'own', doing: `end sessions that block the claim of job '${job}'` } as const
  const prefix = sessionPrefix(session.schema, job)
  const { rows } = await session.query<Blocker>(
    findBlockers,
    [waiting.id, waiting.startedAt, prefix],
    purpose,
  )
  const sessions: BlockingSession[] = []
  for (const row of rows) {
    let ended = false
    if (row.to_end && row.started !== null) {
      // In a transaction the list of sessions stays as it was first seen, unless it is thrown away.
      await session.query('SELECT pg_stat_clear_snapshot()', null, purpose)
      const values = [row.pid, row.started, prefix, row.transaction]
      const answer = await session.query<{ ended: boolean }>(endSession, values, purpose)
      ended = answer.rows[0]?.ended ?? false
    }
    sessions.push({
      // The server hides the start time of sessions of other roles, and a prepared transaction has no session.
      backend: { id: row.pid, startedAt: row.started ?? '' },
      application: row.application ?? (row.pid === 0 ? 'a prepared transaction' : ''),
      ended,
    })
  }
  return sessions
}
