import type { JobSession } from '../database/protocol/session.ts'

/**
 * A bounded number of connections, each opened when it is first needed. Whoever comes when all are in use waits in turn.
 * One on which anything is in doubt is destroyed, and the next to use it gets a new one: see {@link JobSession}.
 */
export class SessionPool {
  readonly #free: JobSession[]
  readonly #sessions: readonly JobSession[]
  readonly #waiting: ((session: JobSession) => void)[] = []

  /** @param session whose job, name at the server and database the connections share; it is not one of them */
  constructor(session: JobSession, size: number) {
    this.#sessions = Array.from({ length: size }, () => session.another())
    this.#free = [...this.#sessions].reverse()
  }

  /** Runs `work` with a session that nobody else uses meanwhile. */
  async use<T>(work: (session: JobSession) => Promise<T>): Promise<T> {
    const session =
      this.#free.pop() ?? (await new Promise<JobSession>((resolve) => this.#waiting.push(resolve)))
    try {
      return await work(session)
    } finally {
      const next = this.#waiting.shift()
      // The one that was used last is used next, so that no more are opened than are needed.
      if (next) next(session)
      else this.#free.push(session)
    }
  }

  /** Closes all; what is in use is cut off. Never throws. */
  async close(): Promise<void> {
    const free = new Set(this.#free)
    await Promise.all(this.#sessions.map((session) => (free.has(session) ? session.close() : session.drop())))
  }
}
