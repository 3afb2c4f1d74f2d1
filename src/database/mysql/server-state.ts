import type { JobSessionAtServer } from '../dialect.ts'
import { schemaVersion } from './migrations.ts'
import { ownTable } from './own-tables.ts'
import type { Session } from './session.ts'
import { listSessions } from './session-list.ts'
import { ownersAmong, sessionsAmong } from './session-lock.ts'

/** Whether the server takes writes: it is no replica, and not set to read-only. (Some users may write all the same.) */
export async function isWritable(session: Session): Promise<boolean> {
  const { rows } = await session.query<{ Variable_name: string; Value: string }>(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'innodb_read_only')`,
    [],
    { scope: 'own', doing: 'ask whether the server accepts writes' },
  )
  return rows.every(({ Value: value }) => value.toUpperCase() === 'OFF')
}

/** The server's clock, in milliseconds since 1970. */
export async function clockMs(session: Session): Promise<number> {
  const { rows } = await session.query<{ ms: string }>('SELECT unix_timestamp(sysdate(6)) * 1000 AS ms', [], {
    scope: 'own',
    doing: "ask for the server's clock",
  })
  return Number(rows[0]?.ms ?? Number.NaN)
}

/** The job's sessions of this account (of every account with the privilege PROCESS), without this one. */
export async function sessionsOf(session: Session, job: string, own: number): Promise<JobSessionAtServer[]> {
  const listed = await listSessions(session)
  const ours = await sessionsAmong(
    session,
    job,
    [...listed.keys()].filter((id) => id !== own),
  )
  const told = ours.size > 0 ? await ownersOf(session) : new Map<number, string>()
  const untold = [...ours].filter((id) => !told.has(id))
  const found = await ownersAmong(session, untold, await ownersOfPositions(session, job, untold))
  return [...ours]
    .sort((a, b) => a - b)
    .map((id) => ({
      backend: { id, startedAt: '' },
      owner: told.get(id) ?? found.get(id) ?? listed.get(id)?.host ?? '',
    }))
}

/** What sessions have told of themselves when they connected. Kept by performance_schema only, which MariaDB has off. */
async function ownersOf(session: Session): Promise<Map<number, string>> {
  const { rows } = await session.query<{ id: string; owner: string }>(
    `SELECT processlist_id AS id, attr_value AS owner FROM performance_schema.session_account_connect_attrs
     WHERE attr_name = 'oncesink_owner'`,
    [],
    { scope: 'own', doing: 'read whose the sessions are' },
  )
  return new Map(rows.map(({ id, owner }) => [Number(id), owner]))
}

/** Who owns the job's partitions: the owners that somebody may look for. None where nobody is looked for. */
async function ownersOfPositions(session: Session, job: string, ids: readonly number[]): Promise<string[]> {
  if (ids.length === 0 || (await schemaVersion(session)) === 0) return []
  const { rows } = await session.query<{ owner: string }>(
    `SELECT DISTINCT owner AS owner FROM ${ownTable(session, 'offsets')} WHERE job = ? AND owner IS NOT NULL`,
    [job],
    { scope: 'own', doing: 'read who owns the partitions' },
  )
  return rows.map(({ owner }) => owner)
}
