import type { Runtime } from '../../runtime/runtime.ts'
import type { Connection, Dialect, SessionName } from '../dialect.ts'

/**
 * The one connection on which a job claims and commits.
 *
 * States: `closed` -> connection() -> `open` -> (it breaks) -> `broken` -> connection() -> `open`; drop() -> `closed`.
 * A connection on which anything is in doubt is never used again: it is destroyed, and the next caller gets a new one.
 */
export class JobSession {
  readonly runtime: Runtime
  readonly #dialect: Dialect
  readonly #name: SessionName
  #connection: Connection | null = null

  constructor(dialect: Dialect, name: SessionName, runtime: Runtime) {
    this.#dialect = dialect
    this.#name = name
    this.runtime = runtime
  }

  get job(): string {
    return this.#name.job
  }

  get owner(): string {
    return this.#name.owner
  }

  /**
   * The open connection, or a new one.
   * @throws OncesinkError DATABASE_UNAVAILABLE, DATABASE_REFUSED
   */
  async connection(): Promise<Connection> {
    if (this.#connection?.broken) this.drop()
    this.#connection ??= await this.#dialect.connect(this.#name)
    return this.#connection
  }

  /** Another session of the same job, for whoever works beside this one's owner and closes it. */
  another(): JobSession {
    return new JobSession(this.#dialect, this.#name, this.runtime)
  }

  /** A second connection for work beside the first, closed when `work` settles. */
  async beside<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#dialect.connect(this.#name)
    try {
      return await work(connection)
    } finally {
      await connection.close()
    }
  }

  /** Cuts the connection; the server rolls back whatever was open on it. */
  drop(): void {
    this.#connection?.destroy()
    this.#connection = null
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = null
    if (connection?.broken) connection.destroy()
    else await connection?.close()
  }
}
