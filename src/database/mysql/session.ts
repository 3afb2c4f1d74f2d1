import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { type Connection, type FieldPacket, format, type ResultSetHeader, type TypeCastField } from 'mysql2'
import { OncesinkError } from '../../errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SessionHealth, within } from '../session-health.ts'
import { classify, type ErrorContext, endsSession, type Scope, StatementTooLarge } from './errors.ts'

/** What the server adds to a statement timeout until its error has arrived here, in milliseconds. */
const ANSWER_GRACE_MS = 5_000
/** How long the server may take to say good-bye, in milliseconds. Nothing depends on its answer. */
const GOODBYE_MS = 1_000
/** What a packet holds besides the statement, and more, in bytes. */
const PACKET_OVERHEAD_BYTES = 64

export interface SessionOptions {
  readonly client: Connection
  /** The client's TCP socket, beneath TLS. */
  readonly socket: Socket
  readonly clock: Clock
  /** `host:port/database as user`, for messages. */
  readonly target: string
  readonly schema: string
  readonly statementTimeoutMs: number
  /** Ends the statement that runs (KILL QUERY), from another connection. */
  readonly interrupt: () => Promise<void>
}

/** What a statement is for: {@link ErrorContext} without what the session knows itself. */
export interface Purpose {
  readonly scope: Scope
  readonly doing: string
}

/** What may stand for a `?`. Written into the statement as literals, by the rules of the session's sql_mode. */
export type SqlValue = string | number | bigint | boolean | Buffer | null

/** Every value as the server writes it, NULL as null: nothing is rounded, nothing goes through a time zone. */
export type TextRow = Readonly<Record<string, string | null>>

export interface Answer<Row> {
  readonly rows: readonly Row[]
  /** Rows that an UPDATE matched, whether or not it changed them; rows inserted or deleted. */
  readonly affectedRows: number
  readonly warnings: number
  /** What the server says in words, for example `Records: 3  Duplicates: 0  Warnings: 0`. */
  readonly info: string
}

export interface SendOptions {
  /** How values are read. By default mysql2's own ways, as its connection was configured. */
  readonly typeCast?: (field: TypeCastField, next: () => unknown) => unknown
  readonly rowsAsArray?: boolean
  /** The data of LOAD DATA LOCAL. Without it the server's wish for a file is refused. */
  readonly infile?: () => Readable
  /**
   * Whether the statement may be ended by KILL QUERY when it has run for `statementTimeoutMs`. Not so COMMIT: what an
   * interrupted one has done is not known. @default true
   */
  readonly interruptible?: boolean
}

/** What mysql2 hands out: rows, or a header, or (of CALL) several of them. */
export interface Sent {
  readonly result: unknown
  readonly fields: FieldPacket[] | undefined
}

/**
 * One mysql2 client and what is known of its health.
 *
 * States: `usable` -> (socket error, an answer that ends the session, no answer in time, doubt) -> `broken`, for good.
 * A broken session sends nothing more. Errors leave it classified.
 */
export class Session {
  readonly client: Connection
  readonly schema: string
  readonly target: string
  /** The server's `max_allowed_packet`, in bytes; known once the session is set up. */
  maxAllowedPacket = Number.POSITIVE_INFINITY
  /** Collation that compares text byte by byte, trailing spaces included; known once the session is set up. */
  exactCollation = ''
  /** Whether the server takes LOAD DATA LOCAL (`local_infile`) as part of the transaction; known once the session is set up. */
  localInfile = false
  /**
   * The database of oncesink's tables, as names of user-level locks are made of it: in lower case where the server does
   * not tell the case of names. Known once the session is set up.
   */
  lockScope: string
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #statementTimeoutMs: number
  readonly #interrupt: () => Promise<void>
  readonly #health = new SessionHealth()

  constructor(options: SessionOptions) {
    this.client = options.client
    this.schema = options.schema
    this.lockScope = options.schema
    this.target = options.target
    this.#socket = options.socket
    this.#clock = options.clock
    this.#statementTimeoutMs = options.statementTimeoutMs
    this.#interrupt = options.interrupt
    // Without these listeners a lost connection would end the process.
    this.client.on('error', (error) => this.#health.breakWith(error))
    this.client.on('end', () => this.#health.breakWith(new Error('Connection terminated')))
    this.#socket.on('close', () => this.#health.breakWith(new Error('Connection terminated')))
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

  /** Runs one statement; the server refuses several in one string. Values come back as text. */
  query<Row extends TextRow>(
    text: string,
    values: readonly SqlValue[],
    purpose: Purpose,
    options: Pick<SendOptions, 'infile'> = {},
  ): Promise<Answer<Row>> {
    return this.guard(purpose, async () => {
      const { result } = await this.send(text, values, { typeCast: asText, ...options })
      return answerOf<Row>(result)
    })
  }

  /** Like {@link query}, but hands out and rejects with what the driver gives. Only for callers that classify. */
  async send(text: string, values: readonly SqlValue[], options: SendOptions = {}): Promise<Sent> {
    if (this.#health.broken) throw this.#health.broken
    const sql = values.length === 0 ? text : format(text, [...values], true, 'Z')
    this.#refuseTooLarge(sql)
    const answer = this.withinAnswerTime(this.#issue(sql, options))
    return options.interruptible === false ? answer : this.#withinStatementTime(answer)
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
    const context: ErrorContext = { ...purpose, target: this.target }
    // A session may only learn from its next statement that it has been over for a while. (A server that lets nobody in
    // says why, and hangs up.)
    const known =
      this.#health.broken &&
      purpose.scope !== 'connect' &&
      !endsSession(error) &&
      !(error instanceof OncesinkError)
    const classified = known
      ? new OncesinkError(
          'DATABASE_UNAVAILABLE',
          `could not ${purpose.doing} at ${this.target}: the connection was lost`,
          {
            cause: this.#health.broken,
          },
        )
      : classify(error, context)
    if (classified.code === 'DATABASE_UNAVAILABLE' || endsSession(error)) this.#health.breakWith(classified)
    return classified
  }

  /**
   * `answer`, unless it takes longer than any statement may: then the peer is gone without a word (a half-open
   * connection), and the socket is cut, which fails `answer`.
   */
  withinAnswerTime<T>(answer: Promise<T>, limitMs = this.#statementTimeoutMs + ANSWER_GRACE_MS): Promise<T> {
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
      const said = new Promise<void>((resolve) => this.client.end(() => resolve()))
      await this.withinAnswerTime(said, GOODBYE_MS)
    } catch {
      // A good-bye that fails finds the connection gone, and to close it is all that was wanted.
    } finally {
      this.destroy()
    }
  }

  #issue(sql: string, { typeCast, rowsAsArray, infile }: SendOptions): Promise<Sent> {
    return new Promise((resolve, reject) => {
      const options = {
        sql,
        ...(typeCast && { typeCast }),
        ...(rowsAsArray && { rowsAsArray }),
        ...(infile && { infileStreamFactory: infile }),
      }
      const query = this.client.query(options, (error, result, fields) => {
        if (!error) return resolve({ result, fields })
        if (infile) stopListening(query)
        reject(withoutStatement(error))
      })
    })
  }

  /**
   * No timeout of MySQL's ends a statement that writes, so the clock here does, with KILL QUERY from a connection
   * beside. It may come when the statement has just ended, and hit the next one: so the statement counts as timed out
   * in any case, and after it nothing but ROLLBACK is sent.
   */
  async #withinStatementTime<T>(answer: Promise<T>): Promise<T> {
    let interrupted: Promise<void> | null = null
    const interrupt = async () => {
      try {
        await this.#interrupt()
      } catch (error) {
        this.destroy(new Error('Connection terminated: a statement ran too long', { cause: error }))
      }
    }
    const limitMs = this.#statementTimeoutMs
    const result = await within(this.#clock, answer, limitMs, () => {
      interrupted = interrupt()
    }).finally(() => interrupted)
    if (interrupted === null) return result
    throw Object.assign(new Error(`the statement ran for more than ${limitMs} ms`), {
      errno: 1_317,
      sqlState: '70100',
    })
  }

  /** The server would answer by closing the connection, often before its error is read. */
  #refuseTooLarge(sql: string): void {
    const room = this.maxAllowedPacket - PACKET_OVERHEAD_BYTES
    if (sql.length * 3 <= room) return
    const bytes = Buffer.byteLength(sql)
    if (bytes > room) throw new StatementTooLarge(bytes, this.maxAllowedPacket)
  }
}

/** JSON is UTF-8, although the server calls it binary (and the driver warns of it on the console). */
function asText(field: TypeCastField): string | null {
  return field.type === 'JSON' ? (field.buffer()?.toString('utf8') ?? null) : field.string()
}

function answerOf<Row>(result: unknown): Answer<Row> {
  if (Array.isArray(result)) return { rows: result as Row[], affectedRows: 0, warnings: 0, info: '' }
  const { affectedRows, warningStatus, info } = result as ResultSetHeader
  return { rows: [], affectedRows, warnings: warningStatus, info }
}

/** The driver listens to the socket for the sake of the data, and goes on if the statement fails, and keeps the data. */
function stopListening(query: object): void {
  ;(query as { _unpipeStream?: () => void })._unpipeStream?.()
}

/** The driver hangs the whole statement on its errors, values and all: megabytes, and not for a log. */
function withoutStatement(error: Error): Error {
  if ('sql' in error) delete error.sql
  return error
}
