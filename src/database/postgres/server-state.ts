import type { JobSessionAtServer } from '../dialect.ts'
import type { Session } from './session.ts'
import { sessionPrefix } from './session-name.ts'
import { startedAt } from './session-settings.ts'

/** Whether the server takes writes from this session: no replica, and not set to read-only. */
export async function isWritable(session: Session): Promise<boolean> {
  const { rows } = await session.query<{ writable: boolean }>(
    // transaction_read_only would tell of the transaction in which this is asked.
    `SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off' AS writable`,
    [],
    { scope: 'own', doing: 'ask whether the server accepts writes' },
  )
  return rows[0]?.writable ?? false
}

/** The server's clock, in milliseconds since 1970. */
export async function clockMs(session: Session): Promise<number> {
  const { rows } = await session.query<{ ms: number }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
    [],
    { scope: 'own', doing: "ask for the server's clock" },
  )
  return rows[0]?.ms ?? Number.NaN
}

/** The job's sessions in this database, without this one. Application names are shown to every role. */
export async function sessionsOf(session: Session, job: string): Promise<JobSessionAtServer[]> {
  const prefix = sessionPrefix(session.schema, job)
  const { rows } = await session.query<{ pid: number; started: string | null; application: string }>(
    `SELECT pid, ${startedAt} AS started, application_name AS application FROM pg_stat_activity
     WHERE datname = current_database() AND starts_with(application_name, $1) AND pid <> pg_backend_pid()
     ORDER BY backend_start, pid`,
    [prefix],
    { scope: 'own', doing: `look for sessions of job '${job}'` },
  )
  return rows.map(({ pid, started, application }) => ({
    backend: { id: pid, startedAt: started ?? '' },
    owner: application.slice(prefix.length),
  }))
}
