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
  /** Schema of oncesink's own tables: an error about one of them is never the data's fault. */
  readonly ownSchema: string
}

/** SQLSTATEs, by whole code or by class (two characters), the whole code first. See exactly-once: error classes. */
const bySqlState: Readonly<Record<string, ErrorCode>> = {
  // run again
  '40': 'TRANSACTION_ABORTED',
  '55P03': 'TRANSACTION_ABORTED',
  '57014': 'STATEMENT_TIMEOUT',
  // drop the connection, claim again
  '08000': 'DATABASE_UNAVAILABLE',
  '08001': 'DATABASE_UNAVAILABLE',
  '08003': 'DATABASE_UNAVAILABLE',
  '08004': 'DATABASE_UNAVAILABLE',
  '08006': 'DATABASE_UNAVAILABLE',
  '08007': 'DATABASE_UNAVAILABLE',
  '57P01': 'DATABASE_UNAVAILABLE',
  '57P02': 'DATABASE_UNAVAILABLE',
  '57P03': 'DATABASE_UNAVAILABLE',
  '57P05': 'DATABASE_UNAVAILABLE',
  '25P03': 'DATABASE_UNAVAILABLE',
  '25P04': 'DATABASE_UNAVAILABLE',
  '25006': 'DATABASE_UNAVAILABLE',
  // may be the data's fault, where the table is a sink's
  '22': 'ROWS_REJECTED',
  '23': 'ROWS_REJECTED',
  // RAISE in a trigger: the table's own validation
  P0: 'ROWS_REJECTED',
}

/** The messages pg makes up when a socket is gone. */
const lostMessages =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout expired|Connection ended)/

/** What the operating system says when a file cannot become larger (ENOSPC, EFBIG, EDQUOT). */
const noRoomMessages = /No space left on device|File too large|quota exceeded/i
const noRoom =
  "A file of the server's cannot become larger: free space on its disk, or raise its limit (ulimit -f, a quota), then start again."

/** What to do, where the server's own words do not say it. */
const cures: Readonly<Record<string, string>> = {
  '28P01': 'Check user and password.',
  '28000': "Check the user, its right to log in, and the server's pg_hba.conf.",
  '3D000': 'Create the database, or correct its name.',
  '21000':
    'Keys that differ in the job are equal in the table: its column type or collation does not keep them apart.',
  '42501': 'Grant the privilege to this user.',
  '42P01': 'Create the table, or correct its name in the job.',
  '42703': 'Add the column to the table, or correct its name in the job.',
  '42P10': 'The table needs a primary key or unique index on exactly the key columns.',
  '53100': "The server's disk is full: free space, then start again.",
  '53300': 'The server has no connection to spare: raise max_connections or use fewer.',
  '57014':
    'Raise the option statementTimeoutMs, make the statement or its triggers faster, or let batches hold fewer records.',
  '25006': 'The server is read-only, perhaps a replica: connect to the primary.',
  '26000':
    'A prepared statement belongs to one backend, and a pooler in transaction mode gives each transaction another one: prepare none.',
  '42P05':
    'A pooler has handed this backend on with the prepared statements of another client: set server_reset_query_always, or a pooler that tracks them (PgBouncer 1.21, max_prepared_statements).',
  '3F000': 'Create the schema, or correct its name.',
}

/** The parts of pg's DatabaseError that matter here. */
export interface ServerError extends Error {
  readonly code: string
  readonly severity: string | undefined
  readonly schema: string | undefined
  readonly table: string | undefined
  readonly detail: string | undefined
  /** The server's function that has said it. */
  readonly routine?: string | undefined
}

/**
 * The SQLSTATE, but for what a standby answers to BEGIN ... READ WRITE: it calls it a feature that it does not have
 * (0A000), in words of the server's language. It is as read-only as any.
 */
function stateOf({ code, routine, message }: ServerError): string {
  const isStandby =
    code === '0A000' && (routine === 'call_bool_check_hook' || /during recovery/.test(message))
  return isStandby ? '25006' : code
}

/** `error` when it is the server's own answer (it carries an SQLSTATE), else null. */
export function asServerError(error: unknown): ServerError | null {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return null
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? (error as ServerError) : null
}

/** Whether `error` says that the session is over. */
export function endsSession(error: unknown): boolean {
  const server = asServerError(error)
  return server ? endsByForce(server) || isUnavailable(stateOf(server)) : isNetworkError(error)
}

/** The driver's error as an OncesinkError; an OncesinkError passes unchanged. */
export function classify(error: unknown, context: ErrorContext): OncesinkError {
  if (error instanceof OncesinkError) return error
  const server = asServerError(error)
  const code = server ? classifyServerError(server, context) : classifyLocalError(error)
  return new OncesinkError(code, describe(asError(error), server, context), { cause: error })
}

function classifyServerError(error: ServerError, { scope, ownSchema }: ErrorContext): ErrorCode {
  if (isStatementPooling(error)) return 'DATABASE_REFUSED'
  if (scope === 'connect') {
    // A server without a free connection slot has one later. Poolers say with 08P01 that theirs is away.
    const passing = error.code === '53300' || error.code === '08P01' || isUnavailable(error.code)
    return passing ? 'DATABASE_UNAVAILABLE' : 'DATABASE_REFUSED'
  }
  const state = stateOf(error)
  const code = bySqlState[state] ?? bySqlState[state.slice(0, 2)]
  if (code === 'ROWS_REJECTED' && (scope !== 'sink' || isOwnTable(error, ownSchema)))
    return 'DATABASE_REFUSED'
  if (code) return code
  // Whatever ended the session by force (a dropped database, a crash) is met again when connecting.
  return endsByForce(error) ? 'DATABASE_UNAVAILABLE' : 'DATABASE_REFUSED'
}

/** What PgBouncer answers to BEGIN where every statement is to have another backend. */
function isStatementPooling({ code, message }: ServerError): boolean {
  return code === '08P01' && message.includes('statement pooling')
}

function endsByForce({ severity }: ServerError): boolean {
  return severity === 'FATAL' || severity === 'PANIC'
}

/** Sinks may lie in the same schema. */
function isOwnTable({ schema, table }: ServerError, ownSchema: string): boolean {
  return schema === ownSchema && table !== undefined && table.startsWith('oncesink_')
}

function classifyLocalError(error: unknown): ErrorCode {
  return isNetworkError(error) ? 'DATABASE_UNAVAILABLE' : 'DATABASE_REFUSED'
}

function isUnavailable(sqlState: string): boolean {
  return (bySqlState[sqlState] ?? bySqlState[sqlState.slice(0, 2)]) === 'DATABASE_UNAVAILABLE'
}

function isNetworkError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  // Node joins the errors of several addresses of one name.
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isNetworkError)
  if ('code' in error && typeof error.code === 'string' && networkCodes.has(error.code)) return true
  return lostMessages.test(error.message)
}

function describe(error: Error, server: ServerError | null, context: ErrorContext): string {
  const reason =
    error.message || (error instanceof AggregateError ? error.errors.map(String).join(', ') : error.name)
  const detail = server?.detail ? ` (${server.detail})` : ''
  const state = server ? ` [SQLSTATE ${server.code}]` : ''
  const cure = (server ? cureOfServerError(server) : cureOfLocalError(error)) ?? ''
  return `could not ${context.doing} at ${context.target}: ${reason}${detail}${state}${cure ? `. ${cure}` : ''}`
}

function cureOfServerError(error: ServerError): string | undefined {
  const { code, message } = error
  if (isStatementPooling(error))
    return 'Results and positions must commit in one transaction: set pool_mode = transaction (or session) in the pooler for this database.'
  if (code === '28000' && message.includes('no encryption'))
    return 'The server wants TLS: set ssl, or sslmode=require in the connectionString.'
  if (code === '28000' && message.includes('client certificate'))
    return 'Give a certificate for this user: ssl.cert and ssl.key, or sslcert and sslkey in the connectionString.'
  return cures[stateOf(error)] ?? (cannotGrow(error) ? noRoom : undefined)
}

/**
 * Whether one of the server's files could not become larger. Only a full disk has an SQLSTATE of its own (53100); a
 * limit on the size of files and, in older versions, a quota have none, and their words are in the server's language.
 */
function cannotGrow({ code, routine, message }: ServerError): boolean {
  if (!/^(XX|58)/.test(code)) return false
  return /^md(zero)?extend/.test(routine ?? '') || noRoomMessages.test(message)
}

function cureOfLocalError(error: Error): string | undefined {
  if (error.message.startsWith('SASL')) return 'The server wants a password: give one, and check it.'
  if (error.message.includes('does not support SSL')) return 'Leave out ssl, or switch it on at the server.'
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'The certificate is for other names: connect by one of them, or have it issued for this one.'
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return "Renew the server's certificate, and check this machine's clock."
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(code))
    return "The certificate's authority is not trusted here: give it in ssl.ca, or as sslrootcert in the connectionString."
  if (/^ERR_SSL.*ALERT|^EPROTO/.test(code))
    return 'The server refuses this side of TLS: check ssl.cert and ssl.key (its authority must be known to the server).'
  if (/^ERR_(SSL|TLS|OSSL)/.test(code)) return 'Check the ssl options.'
  return networkCure(error)
}
