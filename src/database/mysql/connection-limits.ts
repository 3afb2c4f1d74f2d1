import type { ConnectionLimit } from '../dialect.ts'
import type { Session } from './session.ts'
import { listSessions } from './session-list.ts'

/** The server's limit, and the account's own where it has one. */
export async function connectionLimits(session: Session, own: number): Promise<ConnectionLimit[]> {
  const doing = { scope: 'own', doing: 'ask how many connections the server has' } as const
  const { rows: settings } = await session.query<{ most: string; account: string }>(
    'SELECT @@GLOBAL.max_connections AS most, @@SESSION.max_user_connections AS account',
    [],
    doing,
  )
  const { rows: status } = await session.query<{ Value: string }>(
    `SHOW GLOBAL STATUS LIKE 'Threads_connected'`,
    [],
    doing,
  )
  const [most, account] = [Number(settings[0]?.most), Number(settings[0]?.account)]
  const limits = [{ setting: 'max_connections', most, open: Number(status[0]?.Value) }]
  if (account === 0) return limits
  const listed = await listSessions(session)
  const user = listed.get(own)?.user
  const open = [...listed.values()].filter((other) => other.user === user).length
  return [...limits, { setting: 'max_user_connections', most: account, open }]
}
