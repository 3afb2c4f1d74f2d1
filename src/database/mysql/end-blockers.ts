import { OncesinkError } from '../../errors.ts'
import type { BackendId, BlockingSession } from '../dialect.ts'
import { asServerError } from './errors.ts'
import type { Flavour } from './server-version.ts'
import type { Session } from './session.ts'
import { type ListedSession, listSessions } from './session-list.ts'
import { isSession, leaveSessionsOf, sessionLock, sessionsAmong } from './session-lock.ts'

/** See {@link guessBlockers}. A process without anything to commit looks at its positions more often than that. */
const HEALTHY_SECONDS = 5

/** Who waits for whom, as the server sees it. */
interface LockWait {
  readonly waiting: number
  readonly blocking: number
}

interface Blocker {
  readonly id: number
  readonly toEnd: boolean
  readonly ours: boolean
}

/**
 * Ends this job's sessions that stand between `waiting` and its locks, directly or through others, unless they wait
 * for another of this job's themselves: behind one stopped owner, only the owner is in the way.
 *
 * A session is this job's if it holds the user-level lock that names it, at this moment: so an id that was given out
 * again is not hit. To see who blocks whom takes a privilege (PROCESS, in MySQL also SELECT on performance_schema).
 * Without it, see {@link guessBlockers}.
 */
export async function endBlockers(
  session: Session,
  flavour: Flavour,
  own: BackendId,
  waiting: BackendId,
  job: string,
): Promise<BlockingSession[]> {
  const purpose = { scope: 'own', doing: `end sessions that block the claim of job '${job}'` } as const
  return session.guard(purpose, async () => {
    if (!(await isSession(session, waiting))) return []
    const waits = await readLockWaits(session, flavour, waiting.id)
    const listed = await listSessions(session)
    const blockers = waits
      ? await knownBlockers(
          session,
          job,
          own,
          waiting,
          flavour === 'mariadb' ? amongListed(waits, listed) : waits,
        )
      : await guessBlockers(session, job, own, waiting, listed)
    const sessions: BlockingSession[] = []
    for (const { id, toEnd, ours } of blockers) {
      const ended = toEnd && (await kill(session, id))
      sessions.push({
        // The server does not tell when other sessions began.
        backend: { id, startedAt: '' },
        application: nameOf(session, job, id, ours, listed.get(id)),
        ended,
      })
    }
    return sessions
  })
}

async function knownBlockers(
  session: Session,
  job: string,
  own: BackendId,
  waiting: BackendId,
  waits: readonly LockWait[],
): Promise<Blocker[]> {
  const chain = blockersOf(waiting.id, waits)
  const ours = await sessionsAmong(session, job, chain)
  return chain.map((id) => {
    const behindOurs = blockersOf(id, waits).some((other) => other !== id && ours.has(other))
    return {
      id,
      ours: ours.has(id),
      toEnd: ours.has(id) && id !== own.id && id !== waiting.id && !behindOurs,
    }
  })
}

/** What MariaDB says of lock waits may be a while old, and name sessions that are gone. */
function amongListed(waits: readonly LockWait[], listed: ReadonlyMap<number, ListedSession>): LockWait[] {
  return waits.filter(({ waiting, blocking }) => listed.has(waiting) && listed.has(blocking))
}

/** Everybody that `id` waits for, directly or through others. */
export function blockersOf(id: number, waits: readonly LockWait[]): number[] {
  const found = new Set<number>()
  const toVisit = [id]
  for (let next = toVisit.pop(); next !== undefined; next = toVisit.pop()) {
    for (const { waiting, blocking } of waits) {
      if (waiting !== next || found.has(blocking)) continue
      found.add(blocking)
      toVisit.push(blocking)
    }
  }
  return [...found]
}

/**
 * Without the right to see lock waits: if `waiting` is in the middle of a statement, that one of this job's other sessions
 * is ended that has not been for the longest time (it sleeps, or the server waits for its client, as it does for ever for
 * one that is stopped). One after another: who asks again is told the next. One of them holds the lock, if the job's
 * sessions do. It may hit a healthy one of another process of the job, which then connects and claims again: tiresome,
 * but safe. One that has worked within {@link HEALTHY_SECONDS} is left alone: two processes that claim at once would
 * otherwise end each other's claims between two statements, again and again. Only sessions of the same account are seen.
 */
async function guessBlockers(
  session: Session,
  job: string,
  own: BackendId,
  waiting: BackendId,
  listed: ReadonlyMap<number, ListedSession>,
): Promise<Blocker[]> {
  if (isIdle(listed.get(waiting.id))) return []
  // This one only looks: another process that guesses, too, must not take it for an owner.
  await leaveSessionsOf(session, job, own.id)
  const others = [...listed.keys()].filter((id) => id !== own.id && id !== waiting.id)
  const ours = await sessionsAmong(session, job, others)
  const idle = [...ours]
    .flatMap((id) => listed.get(id) ?? [])
    .filter((other) => isIdle(other) && other.seconds >= HEALTHY_SECONDS)
    .sort((a, b) => b.seconds - a.seconds)
  return idle.slice(0, 1).map(({ id }) => ({ id, ours: true, toEnd: true }))
}

/** Whether a session's client has the word. */
function isIdle(session: ListedSession | undefined): boolean {
  if (!session || session.command === 'Sleep') return true
  return /reading from net|receiving from client|sending to client|writing to net/i.test(session.state)
}

const lockWaits: Record<Flavour, string> = {
  mysql: `SELECT r.processlist_id AS waiting, b.processlist_id AS blocking
    FROM performance_schema.data_lock_waits w
    JOIN performance_schema.threads r ON r.thread_id = w.requesting_thread_id
    JOIN performance_schema.threads b ON b.thread_id = w.blocking_thread_id`,
  mariadb: `SELECT r.trx_mysql_thread_id AS waiting, b.trx_mysql_thread_id AS blocking
    FROM information_schema.innodb_lock_waits w
    JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id
    JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id`,
}

/** Null where this user may not see them, or the server does not keep them. */
async function readLockWaits(
  session: Session,
  flavour: Flavour,
  waiting: number,
): Promise<LockWait[] | null> {
  const purpose = { scope: 'own', doing: 'look who waits for whom' } as const
  const read = async () => {
    const { rows } = await session.query<{ waiting: string; blocking: string }>(
      lockWaits[flavour],
      [],
      purpose,
    )
    return rows.map((row) => ({ waiting: Number(row.waiting), blocking: Number(row.blocking) }))
  }
  try {
    const waits = await read()
    if (waits.some((wait) => wait.waiting === waiting)) return waits
    if (flavour === 'mariadb') {
      // It looks itself only when nobody has asked for 100 ms, and else repeats what it said: so this one asks out of
      // step with whoever else asks again and again.
      await session.query('DO sleep(0.11 + 0.2 * rand())', [], purpose)
      return await read()
    }
    // Without performance_schema MySQL shows no waits at all.
    const on = await session.query<{ kept: string }>('SELECT @@performance_schema AS kept', [], purpose)
    return on.rows[0]?.kept === '1' ? waits : null
  } catch (error) {
    if (error instanceof OncesinkError && isDenied(error)) return null
    throw error
  }
}

function isDenied({ cause }: OncesinkError): boolean {
  return [1_044, 1_142, 1_143, 1_227].includes(asServerError(cause)?.errno ?? 0)
}

/** Returns false when the session is gone already, or belongs to another account. */
async function kill(session: Session, id: number): Promise<boolean> {
  try {
    await session.send(`KILL CONNECTION ${id}`, [])
    return true
  } catch (error) {
    const errno = asServerError(error)?.errno
    if (errno === 1_094 || errno === 1_095) return false
    throw error
  }
}

function nameOf(
  session: Session,
  job: string,
  id: number,
  ours: boolean,
  listed: ListedSession | undefined,
): string {
  const who = listed ? `${listed.user}@${listed.host}` : ''
  return ours ? `${sessionLock(session.lockScope, job, id)} ${who}`.trim() : who
}
