import { asError, type ErrorCode, OncesinkError } from '../../errors.ts'
import { networkCodes, networkCure } from '../network-codes.ts'

/**
 * Whose statement failed:
 * - `connect`: opening the session;
 * - `own`: on oncesink's own tables or the session itself;
 * - `sink`: on a declared sink table (statements of `write` included).
 */
export type Scope = 'connect' | 'own' | 'sink'

export interface ErrorContext {
  readonly scope: Scope
  /** What was being done, as it reads after "could not": `add rows to orders`. */
  readonly doing: string
  /** `host:port/database as user`. */
  readonly target: string
}

/**
 * By the server's error number, which says more than its SQLSTATE (most are HY000). MySQL and MariaDB share the
 * numbers up to about 1900. See exactly-once: error classes.
 */
const byNumber: Readonly<Record<number, ErrorCode>> = {
  // run again: whatever of the transaction is left, the caller rolls it back
  1020: 'TRANSACTION_ABORTED', // record has changed since last read (innodb_snapshot_isolation)
  1180: 'TRANSACTION_ABORTED', // error during COMMIT: a cluster's certification failed
  1205: 'TRANSACTION_ABORTED', // lock wait timeout: this undoes one statement only
  1213: 'TRANSACTION_ABORTED', // deadlock: this undoes the whole transaction
  1412: 'TRANSACTION_ABORTED', // a table was altered since the snapshot began
  1613: 'TRANSACTION_ABORTED',
  1614: 'TRANSACTION_ABORTED',
  1637: 'TRANSACTION_ABORTED', // too many concurrent transactions
  3058: 'TRANSACTION_ABORTED', // deadlock of user-level locks
  3101: 'TRANSACTION_ABORTED', // group replication rolled it back
  3572: 'TRANSACTION_ABORTED', // NOWAIT
  1028: 'STATEMENT_TIMEOUT', // sort aborted
  1317: 'STATEMENT_TIMEOUT', // KILL QUERY
  1969: 'STATEMENT_TIMEOUT', // MariaDB's max_statement_time
  3024: 'STATEMENT_TIMEOUT', // MySQL's max_execution_time
  // drop the connection, claim again
  1040: 'DATABASE_UNAVAILABLE', // too many connections
  1047: 'DATABASE_UNAVAILABLE', // a cluster's node is not ready
  1053: 'DATABASE_UNAVAILABLE', // shutdown
  1077: 'DATABASE_UNAVAILABLE',
  1079: 'DATABASE_UNAVAILABLE',
  1080: 'DATABASE_UNAVAILABLE',
  1152: 'DATABASE_UNAVAILABLE',
  1184: 'DATABASE_UNAVAILABLE',
  1203: 'DATABASE_UNAVAILABLE', // too many connections of this user
  1226: 'DATABASE_UNAVAILABLE', // this user's hourly resources
  1836: 'DATABASE_UNAVAILABLE', // read-only mode
  1927: 'DATABASE_UNAVAILABLE', // MariaDB: connection was killed
  // A client's errors, as proxies answer with that cannot reach a server (MySQL Router, ProxySQL, MaxScale).
  2002: 'DATABASE_UNAVAILABLE',
  2003: 'DATABASE_UNAVAILABLE',
  2005: 'DATABASE_UNAVAILABLE',
  2006: 'DATABASE_UNAVAILABLE',
  2013: 'DATABASE_UNAVAILABLE',
  9001: 'DATABASE_UNAVAILABLE', // ProxySQL: no server of the host group in time
  3032: 'DATABASE_UNAVAILABLE', // offline mode: lets only administrators in
  3168: 'DATABASE_UNAVAILABLE', // server is not available
  3169: 'DATABASE_UNAVAILABLE', // session was killed
  4031: 'DATABASE_UNAVAILABLE', // closed for inactivity
  // may be the data's fault, where the table is a sink's, although their SQLSTATE does not say so
  1118: 'ROWS_REJECTED', // row too large for its page
  1265: 'ROWS_REJECTED', // data truncated
  1300: 'ROWS_REJECTED', // invalid character string
  1364: 'ROWS_REJECTED', // no value for a column without default
  1366: 'ROWS_REJECTED', // incorrect value for a column
  1411: 'ROWS_REJECTED', // incorrect value for a function
  1526: 'ROWS_REJECTED', // no partition for the value
  1748: 'ROWS_REJECTED', // row does not match the partition
  1977: 'ROWS_REJECTED', // MariaDB: character not in the column's character set
  3140: 'ROWS_REJECTED', // invalid JSON
  3819: 'ROWS_REJECTED', // check constraint
  3854: 'ROWS_REJECTED',
  3988: 'ROWS_REJECTED', // MySQL: character not in the column's character set
  4025: 'ROWS_REJECTED', // MariaDB: check constraint
  // class 08, but about one statement, or about what was given to connect
  1043: 'DATABASE_REFUSED',
  1153: 'DATABASE_REFUSED', // statement larger than max_allowed_packet
}

/** By class (the first two characters of the SQLSTATE), where the number says nothing. */
const byClass: Readonly<Record<string, ErrorCode>> = {
  '08': 'DATABASE_UNAVAILABLE',
  '22': 'ROWS_REJECTED',
  '23': 'ROWS_REJECTED',
  '40': 'TRANSACTION_ABORTED',
  // SIGNAL in a trigger: the table's own validation
  '45': 'ROWS_REJECTED',
}

/** Codes of the driver when a socket is gone. */
const driverCodes: ReadonlySet<string> = new Set([
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_UNEXPECTED_PACKET',
  'PROTOCOL_ERROR',
  // Said by a server while no statement runs.
  'ER_CLIENT_INTERACTION_TIMEOUT',
  'ER_CONNECTION_KILLED',
  'ER_SERVER_SHUTDOWN',
])
const lostMessages = /^(Connection terminated|Connection lost|Can't (add new command|write))/

/** A statement that the server would not take; nothing was sent. With fewer or smaller rows it is smaller. */
export class StatementTooLarge extends Error {
  constructor(bytes: number, maxAllowedPacket: number) {
    super(
      `the statement has ${bytes} bytes, and the server takes ${maxAllowedPacket} (max_allowed_packet). Raise it there`,
    )
  }
}

/** What to do, where the server's own words do not say it. */
const cures: Readonly<Record<number, string>> = {
  1040: 'The server has no connection to spare: raise max_connections or use fewer.',
  1044: 'Grant this user the privileges on the database.',
  1045: 'Check user and password, and from which hosts the server lets this user in.',
  1049: 'Create the database, or correct its name.',
  1054: 'Add the column to the table, or correct its name in the job.',
  1114: 'The table or the disk is full: free space, then start again.',
  1021: "The server's disk is full: free space, then start again.",
  1129: 'The server has blocked this host after many connection errors: run mysqladmin flush-hosts.',
  1130: 'The server does not let this host in: create the user for this host.',
  1142: 'Grant the privilege to this user.',
  1143: 'Grant the privilege to this user.',
  1146: 'Create the table, or correct its name in the job.',
  1153: "The statement is larger than the server's max_allowed_packet: raise it.",
  1203: 'Raise max_user_connections or use fewer.',
  3032: 'An administrator has set offline_mode.',
  1226: "Raise the user's limit (ALTER USER ... WITH ...), or wait.",
  1227: 'Grant the privilege to this user.',
  1251: "The server wants an authentication plugin that is not known: change the user's plugin.",
  1290: 'The server is read-only, perhaps a replica: connect to the primary.',
  1665: 'Set binlog_format to ROW (or MIXED) at the server.',
  1820: "The user's password has expired: set a new one.",
  1836: 'The server is read-only: connect to the primary.',
  1862: "The user's password has expired: set a new one.",
  3118: 'The account is locked: unlock it (ALTER USER ... ACCOUNT UNLOCK).',
  3159: 'The server wants TLS: set the option ssl.',
  4151: 'The account is locked: unlock it (ALTER USER ... ACCOUNT UNLOCK).',
}
/**
 * How the server words that a file cannot become larger, under several numbers (3, 1026, 1030 and more): with the
 * operating system's ENOSPC, EFBIG or EDQUOT.
 */
const noRoomMessages = /\b(errno:?|error) (28|27|122)\b/
const noRoom =
  "A file of the server's cannot become larger: free space on its disk, or raise its limit (ulimit -f, a quota), then start again."
const tooSlow =
  'Raise the option statementTimeoutMs, make the statement or its triggers faster, or let batches hold fewer records.'

/** The parts of mysql2's error packets that matter here. */
export interface ServerError extends Error {
  readonly errno: number
  readonly sqlState: string
}

/** `error` when it is the server's own answer, else null. */
export function asServerError(error: unknown): ServerError | null {
  if (!(error instanceof Error) || !('errno' in error) || !('sqlState' in error)) return null
  return typeof error.errno === 'number' && error.errno > 0 && typeof error.sqlState === 'string'
    ? (error as ServerError)
    : null
}

/** Whether `error` says that the session is over. */
export function endsSession(error: unknown): boolean {
  const server = asServerError(error)
  return server ? codeOf(server) === 'DATABASE_UNAVAILABLE' || server.errno === 1_153 : isNetworkError(error)
}

/** The driver's error as an OncesinkError; an OncesinkError passes unchanged. */
export function classify(error: unknown, context: ErrorContext): OncesinkError {
  if (error instanceof OncesinkError) return error
  const server = asServerError(error)
  const code = server ? classifyServerError(server, context) : classifyLocalError(error, context)
  return new OncesinkError(code, describe(asError(error), server, context), { cause: error })
}

function classifyServerError(error: ServerError, { scope }: ErrorContext): ErrorCode {
  const code = codeOf(error)
  if (scope === 'connect') return code === 'DATABASE_UNAVAILABLE' ? code : 'DATABASE_REFUSED'
  if (code === 'ROWS_REJECTED' && (scope !== 'sink' || isAboutOwnTable(error))) return 'DATABASE_REFUSED'
  return code
}

function codeOf(error: ServerError): ErrorCode {
  // One number for whatever an option of the server prevents.
  if (error.errno === 1_290)
    return /read.only/i.test(error.message) ? 'DATABASE_UNAVAILABLE' : 'DATABASE_REFUSED'
  // ProxySQL's word for what its configuration prevents, and a cluster's for a node that is not ready.
  if (error.errno === 1_047 && /\bLOAD DATA\b/i.test(error.message)) return 'DATABASE_REFUSED'
  return byNumber[error.errno] ?? byClass[error.sqlState.slice(0, 2)] ?? 'DATABASE_REFUSED'
}

/** The server tells the table only in its words (`for key 'oncesink_batches.PRIMARY'`); MariaDB often not at all. */
function isAboutOwnTable(error: ServerError): boolean {
  return /\boncesink_(migrations|jobs|topics|offsets|batches|dead_letters)\b/.test(error.message)
}

function classifyLocalError(error: unknown, { scope }: ErrorContext): ErrorCode {
  if (error instanceof StatementTooLarge && scope === 'sink') return 'ROWS_REJECTED'
  return isNetworkError(error) ? 'DATABASE_UNAVAILABLE' : 'DATABASE_REFUSED'
}

function isNetworkError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  // Node joins the errors of several addresses of one name.
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isNetworkError)
  if ('code' in error && typeof error.code === 'string') {
    if (networkCodes.has(error.code) || driverCodes.has(error.code)) return true
  }
  return lostMessages.test(error.message)
}

function describe(error: Error, server: ServerError | null, context: ErrorContext): string {
  const reason =
    error.message || (error instanceof AggregateError ? error.errors.map(String).join(', ') : error.name)
  const number = server ? ` [error ${server.errno}, SQLSTATE ${server.sqlState || '?'}]` : ''
  const cure = (server ? cureOf(server) : cureOfLocalError(error)) ?? ''
  return `could not ${context.doing} at ${context.target}: ${reason}${number}${cure ? `. ${cure}` : ''}`
}

function cureOf(error: ServerError): string | undefined {
  if (error.errno === 1_290 && codeOf(error) !== 'DATABASE_UNAVAILABLE') return undefined
  if (codeOf(error) === 'STATEMENT_TIMEOUT') return tooSlow
  return cures[error.errno] ?? (noRoomMessages.test(error.message) ? noRoom : undefined)
}

function cureOfLocalError(error: Error): string | undefined {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'HANDSHAKE_NO_SSL_SUPPORT') return 'Leave out ssl, or switch it on at the server.'
  if (code === 'HANDSHAKE_SSL_ERROR') {
    return 'Give the certificate authority in ssl.ca, or correct the host name.'
  }
  return networkCure(error)
}
