import type { Session } from './session.ts'

/** A session as the server lists it. Without the privilege PROCESS only those of the same account are listed. */
export interface ListedSession {
  readonly id: number
  readonly user: string
  /** Address and port of its client. */
  readonly host: string
  /** What it is about: `Sleep`, `Query` ... */
  readonly command: string
  readonly state: string
  /** How long it has been about that, in whole seconds: 1 may be a moment. */
  readonly seconds: number
}

export async function listSessions(session: Session): Promise<Map<number, ListedSession>> {
  const { rows } = await session.query<Record<string, string | null>>('SHOW PROCESSLIST', [], {
    scope: 'own',
    doing: 'list the sessions of the server',
  })
  return new Map(
    rows.map((row) => {
      const id = Number(row.Id)
      const { User: user, Host: host, Command: command, State: state, Time: time } = row
      const seconds = Number(time ?? 0)
      return [
        id,
        { id, user: user ?? '', host: host ?? '', command: command ?? '', state: state ?? '', seconds },
      ]
    }),
  )
}
