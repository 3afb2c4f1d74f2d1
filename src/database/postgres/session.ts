import type { Socket } from 'node:net'
import type pg from 'pg'
import { OncesinkError } from '../../errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SessionHealth, within } from '../session-health.ts'
import { classify, type ErrorContext, endsSession, type Scope } from './errors.ts'

/** What the server adds to a statement timeout until its error has arrived here, in milliseconds. */
const ANSWER_GRACE_MS = 5_000
/** How long the server may take to say good-bye, in milliseconds. Nothing depends on its answer. */
const GOODBYE_MS = 1_000

export interface SessionOptions {
  readonly client: pg.Client
  /** The client's TCP socket, beneath TLS. */
  readonly socket: Socket
  readonly clock: Clock
  readonly schema: string
  readonly statementTimeoutMs: number
}

/** What a statement is for: {@link ErrorContext} without what the session knows itself. */
export interface Purpose {
  readonly scope: Scope
  readonly doing: string
}

/**
 * One pg client and what is known of its health.
 *
 * States: `usable` -> (socket error, FATAL answer, no answer in time, doubt) -> `broken`, for good.
 * A broken session sends nothing more. Errors leave it classified.
 */
export class Session {
  readonly client: pg.Client
  readonly schema: string
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #answerTimeoutMs: number
  readonly #health = new SessionHealth()

  constructor(options: SessionOptions) {
    this.client = options.client
    this.schema = options.schema
    this.#socket = options.socket
    this.#clock = options.clock
    this.#answerTimeoutMs = options.statementTimeoutMs + ANSWER_GRACE_MS
    // Without these listeners a lost connection would end the process.
    this.client.on('error', (error) => this.#health.breakWith(error))
    this.client.on('end', () => this.#health.breakWith(new Error('Connection terminated')))
  }

  get broken(): boolean {
    return this.#health.broken !== null
  }

  get lossListeners(): number {
    return this.#health.lossListeners
  }

  /** See {@link SessionHealth.onLoss}. */
  onLoss(listener: (reason: Error) => void): () => void {
    return this.#health.onLoss(listener)
  }

  /** `host:port/database as user`, for messages. */
  get target(): string {
    const { host, port, database, user } = this.client
    return `${host}:${port}/${database} as ${user}`
  }

  /**
   * Runs one statement. With `values` (also none) it goes by the extended protocol, where the server refuses several
   * statements in one string; without, by the simple protocol, where they are allowed.
   */
  async query<Row extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[] | null,
    purpose: Purpose,
  ): Promise<pg.QueryResult<Row>> {
    return this.guard(purpose, () => this.send<Row>(text, values))
  }

  /** Like {@link query}, but rejects with the driver's own error. Only for callers that classify it themselves. */
  send<Row extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[] | null,
  ): Promise<pg.QueryResult<Row>> {
    if (this.#health.broken) return Promise.reject(this.#health.broken)
    return this.withinAnswerTime(
      values === null
        ? this.client.query<Row>(text)
        : this.client.query<Row>({ text, values: [...values], queryMode: 'extended' } as pg.QueryConfig),
    )
  }

  /** Runs `work` on the client; a failure is classified, and breaks the session where it says that it is over. */
  async guard<T>(purpose: Purpose, work: () => Promise<T>): Promise<T> {
    try {
      if (this.#health.broken) throw this.#health.broken
      return await work()
    } catch (error) {
      throw this.classify(error, purpose)
    }
  }

  classify(error: unknown, purpose: Purpose): OncesinkError {
    const context: ErrorContext = { ...purpose, target: this.target, ownSchema: this.schema }
    // A session may only learn from its next statement that it has been over for a while.
    const known = this.#health.broken && !endsSession(error) && !(error instanceof OncesinkError)
    const classified = known
      ? new OncesinkError(
          'DATABASE_UNAVAILABLE',
          `could not ${purpose.doing} at ${this.target}: the connection was lost`,
          {
            cause: this.#health.broken,
          },
        )
      : classify(error, context)
    if (classified.code === 'DATABASE_UNAVAILABLE') this.#health.breakWith(classified)
    return classified
  }

  /**
   * `answer`, unless it takes longer than any statement may: then the peer is gone without a word (a half-open
   * connection), and the socket is cut, which fails `answer`.
   */
  withinAnswerTime<T>(answer: Promise<T>, limitMs = this.#answerTimeoutMs): Promise<T> {
    return within(this.#clock, answer, limitMs, () => {
      this.destroy(new Error(`Connection terminated: no answer within ${limitMs} ms`))
    })
  }

  /** Cuts the socket at once: whatever is running fails. */
  destroy(reason: Error = new Error('Connection terminated by oncesink')): void {
    this.#health.breakWith(reason)
    this.#socket.destroy(reason)
  }

  /** Says good-bye to the server, then closes. A server that has fallen silent is not waited for. Never throws. */
  async end(): Promise<void> {
    if (this.#health.broken) return this.destroy()
    try {
      await this.withinAnswerTime(this.client.end(), GOODBYE_MS)
    } catch {
      // A good-bye that fails finds the connection gone, and to close it is all that was wanted.
    } finally {
      this.destroy()
    }
  }
}
