import { createHash } from 'node:crypto'
import { OncesinkError } from '../../errors.ts'
import type { BackendId, SessionName } from '../dialect.ts'
import type { Session } from './session.ts'
import { sessionPrefix } from './session-name.ts'

/**
 * The name of the user-level lock that a session of `job` holds for as long as it lives. The server frees it with the
 * session, so whoever holds the lock of this name *is* this session: no table of sessions that could be out of date,
 * and no privilege is needed to ask (IS_USED_LOCK).
 */
export function sessionLock(scope: string, job: string, id: number): string {
  return `${sessionPrefix(scope, job)}${id}`
}

/** A second lock, that only this very session can hold: an id may be given out again after a restart. */
export function startLock(id: number, startedAt: string): string {
  return `oncesink:start:${id}:${startedAt}`
}

/** A third one, by which those who look know whose the session is, where the server does not tell. */
function ownerLock(id: number, owner: string): string {
  return `oncesink:owner:${id}:${createHash('sha256').update(owner).digest('hex').slice(0, 12)}`
}

/** Takes these locks; returns the session's start time by the server's clock. */
export async function nameSession(
  session: Session,
  { job, owner }: SessionName,
  id: number,
): Promise<string> {
  const purpose = { scope: 'own', doing: 'name the session' } as const
  const { rows } = await session.query<{ started: string; named: string | null }>(
    `SELECT utc_timestamp(6) AS started, get_lock(?, 0) AS named`,
    [sessionLock(session.lockScope, job, id)],
    purpose,
  )
  const [row] = rows
  const startedAt = row?.started ?? ''
  const start = await session.query<{ named: string | null }>(
    // Nothing but a message depends on the owner's.
    'SELECT get_lock(?, 0) AS named, get_lock(?, 0) AS owned',
    [startLock(id, startedAt), ownerLock(id, owner)],
    purpose,
  )
  if (row?.named === '1' && start.rows[0]?.named === '1') return startedAt
  throw new OncesinkError(
    'DATABASE_REFUSED',
    `could not name the session at ${session.target}: the lock ${sessionLock(session.lockScope, job, id)} is held by ` +
      'another session, or the server gives no user-level locks (GET_LOCK)',
  )
}

/** Which of `ids` are sessions of `job`, now. */
export async function sessionsAmong(
  session: Session,
  job: string,
  ids: readonly number[],
): Promise<ReadonlySet<number>> {
  if (ids.length === 0) return new Set()
  const { rows } = await session.query<{ id: string }>(
    `SELECT v.id FROM JSON_TABLE(?, '$[*]' COLUMNS (id bigint PATH '$')) v
     WHERE is_used_lock(concat(?, v.id)) = v.id`,
    [JSON.stringify(ids), sessionPrefix(session.lockScope, job)],
    { scope: 'own', doing: `look for sessions of job '${job}'` },
  )
  return new Set(rows.map(({ id }) => Number(id)))
}

/** Which sessions are of one of `owners`, by id. */
export async function ownersAmong(
  session: Session,
  ids: readonly number[],
  owners: readonly string[],
): Promise<ReadonlyMap<number, string>> {
  if (ids.length === 0 || owners.length === 0) return new Map()
  const candidates = ids.flatMap((id) => owners.map((owner) => ({ id, owner, lock: ownerLock(id, owner) })))
  const { rows } = await session.query<{ i: string }>(
    `SELECT v.i FROM JSON_TABLE(?, '$[*]' COLUMNS (i FOR ORDINALITY, id bigint PATH '$.id', held varchar(64) PATH '$.lock')) v
     WHERE is_used_lock(v.held) = v.id`,
    [JSON.stringify(candidates.map(({ id, lock }) => ({ id, lock })))],
    { scope: 'own', doing: 'read whose the sessions are' },
  )
  return new Map(
    rows.flatMap(({ i }) => {
      const found = candidates[Number(i) - 1]
      return found ? [[found.id, found.owner]] : []
    }),
  )
}

/** Whether the session with this id is still the one that began then. */
export async function isSession(session: Session, { id, startedAt }: BackendId): Promise<boolean> {
  const { rows } = await session.query<{ holder: string | null }>(
    'SELECT is_used_lock(?) AS holder',
    [startLock(id, startedAt)],
    { scope: 'own', doing: 'look for a session' },
  )
  return rows[0]?.holder === String(id)
}

/** Takes this session out of the sessions of `job`. */
export async function leaveSessionsOf(session: Session, job: string, id: number): Promise<void> {
  await session.query('DO release_lock(?)', [sessionLock(session.lockScope, job, id)], {
    scope: 'own',
    doing: 'leave the sessions of the job',
  })
}
