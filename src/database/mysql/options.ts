import { isIP } from 'node:net'
import type { SecureVersion } from 'node:tls'
import type { DatabasePlan } from '../../job/job.ts'
import { describeValue } from '../../model/excerpt.ts'
import { isPlainObject } from '../../model/plain-object.ts'
import {
  checkPort,
  configurationInvalid,
  refuseUnknownOptions,
  type TimeoutName,
  timeoutOption,
} from '../engine-options.ts'
import type { Password } from '../password.ts'

/** What of Node's tls.connect can be set for a connection to MySQL or MariaDB. */
export interface MysqlTlsOptions {
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined
  readonly cert?: string | Buffer | undefined
  readonly key?: string | Buffer | undefined
  readonly passphrase?: string | undefined
  readonly ciphers?: string | undefined
  readonly minVersion?: SecureVersion | undefined
  readonly maxVersion?: SecureVersion | undefined
  /** Whether the certificate must be signed by an authority that is known. @default true */
  readonly rejectUnauthorized?: boolean | undefined
  /** Whether the certificate must name the host that was connected to. @default the same as rejectUnauthorized */
  readonly verifyIdentity?: boolean | undefined
}

export interface MysqlOptions {
  /**
   * `mysql://user:password@host:port/database` (or `mariadb://`), with `?ssl-mode=` DISABLED, REQUIRED (encrypted, the
   * server's certificate is not looked at), VERIFY_CA or VERIFY_IDENTITY. Either this or the single settings below;
   * a `password` or `ssl` may stand beside a connection string that has none.
   */
  readonly connectionString?: string | undefined
  /** Host name, address, or path of a Unix socket. @default '127.0.0.1' */
  readonly host?: string | undefined
  /** @default 3306 */
  readonly port?: number | undefined
  readonly user?: string | undefined
  /**
   * Text, or a function that gives it, asked before each connection, for tokens that expire; it has `connectTimeoutMs`
   * for its answer. While it fails or what it gives is refused, the job tries again as it does for any database that
   * is away.
   */
  readonly password?: string | (() => string | Promise<string>) | undefined
  /** Required, here or in `connectionString`: tables named without a database are looked for in it. */
  readonly database?: string | undefined
  /** `true` verifies the server's certificate and host name. @default false */
  readonly ssl?: boolean | MysqlTlsOptions | undefined
  /** Database of oncesink's own tables (MySQL's schemas are databases). @default the database connected to */
  readonly schema?: string | undefined
  /** How long one statement may run, in milliseconds, from 3000. @default 60000 */
  readonly statementTimeoutMs?: number | undefined
  /**
   * How long a statement may wait for a lock, in milliseconds. The server counts whole seconds: rounded up, at least
   * 1 s, and then more than a second below `statementTimeoutMs`. Default 10,000, or a third of `statementTimeoutMs`
   * if that is less.
   */
  readonly lockTimeoutMs?: number | undefined
  /** How long the server lets a transaction stand idle, in milliseconds, rounded up to seconds. @default 60000 */
  readonly idleInTransactionTimeoutMs?: number | undefined
  /** How long one attempt to connect may take, in milliseconds, from 10. @default 5000 */
  readonly connectTimeoutMs?: number | undefined
}

/** {@link MysqlOptions} with defaults, validated and frozen. One plan for both: which it is the server says. */
export interface MysqlPlan extends DatabasePlan {
  readonly engine: 'mysql'
  /** Where and as whom to connect; the secret parts are not enumerable, so that dumping a plan leaks nothing. */
  readonly target: MysqlTarget
  readonly schema: string
  readonly statementTimeoutMs: number
  /** In whole seconds, as the server counts. */
  readonly lockTimeoutSeconds: number
  readonly idleInTransactionTimeoutSeconds: number
  readonly connectTimeoutMs: number
}

export interface MysqlTarget {
  readonly host: string
  readonly port: number
  readonly user: string | undefined
  readonly password: Password | undefined
  readonly database: string
  readonly ssl: MysqlTlsOptions | undefined
}

const MAX_NAME_CHARACTERS = 64
/** The server looks once a second whether a lock was waited for too long. */
const LOCK_TIMEOUT_SLACK_SECONDS = 1

const known: Record<keyof MysqlOptions, true> = {
  connectionString: true,
  host: true,
  port: true,
  user: true,
  password: true,
  database: true,
  ssl: true,
  schema: true,
  statementTimeoutMs: true,
  lockTimeoutMs: true,
  idleInTransactionTimeoutMs: true,
  connectTimeoutMs: true,
}

const knownTls: Record<keyof MysqlTlsOptions, true> = {
  ca: true,
  cert: true,
  key: true,
  passphrase: true,
  ciphers: true,
  minVersion: true,
  maxVersion: true,
  rejectUnauthorized: true,
  verifyIdentity: true,
}

/**
 * Configuration of a MySQL (8.0.19 or newer) or MariaDB (10.6 or newer) database.
 * @throws OncesinkError CONFIGURATION_INVALID, naming the option and what to do
 */
export function mysql(options: MysqlOptions): MysqlPlan {
  if (!isPlainObject(options)) {
    throw configurationInvalid('mysql(...) takes an object of options, for example { connectionString }')
  }
  refuseUnknownOptions('mysql', options, known)
  const target = resolveTarget(options)
  const statementTimeoutMs = milliseconds(options, 'statementTimeoutMs', 60_000, 3_000)
  return Object.freeze({
    engine: 'mysql',
    target,
    schema: checkName('schema', options.schema ?? target.database),
    statementTimeoutMs,
    lockTimeoutSeconds: lockTimeoutSeconds(options, statementTimeoutMs),
    idleInTransactionTimeoutSeconds: Math.ceil(
      milliseconds(options, 'idleInTransactionTimeoutMs', 60_000, 100) / 1_000,
    ),
    connectTimeoutMs: milliseconds(options, 'connectTimeoutMs', 5_000, 10),
  })
}

/** A wait for a lock must end as such: as a statement that runs too long it would be blamed on its record. */
function lockTimeoutSeconds(options: MysqlOptions, statementTimeoutMs: number): number {
  const byDefault = Math.min(10_000, Math.floor(statementTimeoutMs / 3_000) * 1_000)
  const seconds = Math.ceil(milliseconds(options, 'lockTimeoutMs', byDefault, 10) / 1_000)
  if ((seconds + LOCK_TIMEOUT_SLACK_SECONDS) * 1_000 >= statementTimeoutMs) {
    throw configurationInvalid(
      `mysql: lockTimeoutMs (${options.lockTimeoutMs}, which the server takes as ${seconds} s) must be more than a second ` +
        `below statementTimeoutMs (${statementTimeoutMs}): lower the one, or raise the other`,
    )
  }
  return seconds
}

function resolveTarget(options: MysqlOptions): MysqlTarget {
  const { connectionString } = options
  const single = (['host', 'port', 'user', 'database'] as const).filter((name) => options[name] !== undefined)
  if (connectionString === undefined && single.length === 0) {
    throw configurationInvalid(
      'connectionString' in options
        ? 'mysql: connectionString is undefined. Is the environment variable that it is read from set?'
        : 'mysql: where is the database? Give connectionString, or host, port, user, password and database',
    )
  }
  if (connectionString !== undefined && single.length > 0) {
    throw configurationInvalid(`mysql: give either connectionString or ${single.join(', ')}, not both`)
  }
  const given = connectionString === undefined ? singleSettings(options) : parse(connectionString)
  const password = resolvePassword(options, given.password)
  const host = given.host ?? '127.0.0.1'
  const target = {
    host,
    port: given.port ?? 3_306,
    user: given.user,
    password,
    database: resolveDatabase(given.database),
    ssl: resolveTls(options, given.ssl, host),
  }
  for (const secret of ['password', 'ssl'] as const) {
    Object.defineProperty(target, secret, { enumerable: false })
  }
  return Object.freeze(target)
}

/** What one of the two ways of telling a target has told. */
interface Given {
  readonly host: string | undefined
  readonly port: number | undefined
  readonly user: string | undefined
  readonly password?: string | undefined
  readonly database: string | undefined
  readonly ssl?: MysqlTlsOptions | undefined
}

function singleSettings(options: MysqlOptions): Given {
  for (const name of ['host', 'user', 'database'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && (typeof value !== 'string' || value === '')) {
      throw configurationInvalid(`mysql: ${name} must be a string that is not empty`)
    }
  }
  const { host, port, user, database } = options
  checkPort('mysql', port)
  return { host, port, user, database }
}

/** By hand: the driver's own parser would take any of its options from the query, unsafe ones among them. */
function parse(value: unknown): Given {
  if (typeof value !== 'string') throw configurationInvalid('mysql: connectionString must be a string')
  if (value === '') {
    throw configurationInvalid(
      'mysql: connectionString is empty. Is the environment variable that it is read from set?',
    )
  }
  // The value itself is not repeated: it holds the password.
  const malformed = configurationInvalid(
    'mysql: connectionString is not of the form mysql://user:password@host:port/database ' +
      '(special characters in the password are written percent-encoded)',
  )
  if (!/^(mysql|mariadb):\/\//.test(value) || !URL.canParse(value)) throw malformed
  const url = new URL(value)
  const decoded = (text: string): string | undefined => {
    try {
      return text === '' ? undefined : decodeURIComponent(text)
    } catch {
      throw malformed
    }
  }
  return {
    // An IPv6 address stands in brackets.
    host: decoded(url.hostname.replace(/^\[(.*)\]$/, '$1')),
    port: url.port === '' ? undefined : Number(url.port),
    user: decoded(url.username),
    password: decoded(url.password),
    database: decoded(url.pathname.replace(/^\//, '')),
    ssl: tlsOfQuery(url.searchParams),
  }
}

const tlsModes: Readonly<Record<string, MysqlTlsOptions | undefined>> = {
  DISABLED: undefined,
  REQUIRED: { rejectUnauthorized: false },
  VERIFY_CA: { verifyIdentity: false },
  VERIFY_IDENTITY: {},
}

function tlsOfQuery(query: URLSearchParams): MysqlTlsOptions | undefined {
  let tls: MysqlTlsOptions | undefined
  for (const [name, value] of query) {
    if (name !== 'ssl-mode' && name !== 'sslmode') {
      throw configurationInvalid(
        `mysql: connectionString has the parameter '${name}', and only ssl-mode is known: use the options of mysql(...)`,
      )
    }
    const mode = value.toUpperCase().replaceAll('-', '_')
    if (!Object.hasOwn(tlsModes, mode)) {
      throw configurationInvalid(
        `mysql: ssl-mode in connectionString must be one of ${Object.keys(tlsModes).join(', ')}, not ${describeValue(value)}`,
      )
    }
    tls = tlsModes[mode]
  }
  return tls
}

function resolvePassword(options: MysqlOptions, inUrl: string | undefined): Password | undefined {
  const value: unknown = options.password
  if (value === undefined) return inUrl
  if (typeof value !== 'string' && typeof value !== 'function') {
    throw configurationInvalid(
      'mysql: password must be a string, or a function that returns it or a promise of it',
    )
  }
  if (inUrl !== undefined)
    throw configurationInvalid('mysql: give the password in connectionString or as password, not both')
  return options.password
}

function resolveTls(
  { ssl }: MysqlOptions,
  inUrl: MysqlTlsOptions | undefined,
  host: string,
): MysqlTlsOptions | undefined {
  if (ssl !== undefined && inUrl !== undefined) {
    throw configurationInvalid('mysql: give ssl-mode in connectionString or ssl, not both')
  }
  if (ssl !== undefined && typeof ssl !== 'boolean' && (typeof ssl !== 'object' || ssl === null)) {
    throw configurationInvalid('mysql: ssl must be true, false, or an object of options')
  }
  const wanted: MysqlTlsOptions | undefined =
    typeof ssl === 'boolean' ? (ssl ? {} : undefined) : (ssl ?? inUrl)
  if (!wanted) return undefined
  for (const name of Object.keys(wanted)) {
    if (!Object.hasOwn(knownTls, name)) {
      throw configurationInvalid(
        `mysql: unknown option 'ssl.${name}'; the options are ${Object.keys(knownTls).join(', ')}`,
      )
    }
  }
  const { rejectUnauthorized = true } = wanted
  const { verifyIdentity = rejectUnauthorized } = wanted
  // The driver would compare the certificate with the name "localhost" then.
  if (verifyIdentity && isIP(host) !== 0) {
    throw configurationInvalid(
      `mysql: ssl compares the host's name with the server's certificate, and ${host} is an address: give the name, ` +
        'or set ssl.verifyIdentity to false and the authority that you trust in ssl.ca',
    )
  }
  return Object.freeze({ ...wanted, rejectUnauthorized, verifyIdentity })
}

function resolveDatabase(database: string | undefined): string {
  if (database !== undefined) return checkName('database', database)
  throw configurationInvalid(
    'mysql: in which database are the tables? Name it in connectionString, or as database',
  )
}

function checkName(option: 'database' | 'schema', name: unknown): string {
  if (typeof name !== 'string' || name === '' || name.includes('\0') || name.endsWith(' ')) {
    throw configurationInvalid(`mysql: ${option} must be the name of a database, for example 'oncesink'`)
  }
  if ([...name].length > MAX_NAME_CHARACTERS) {
    throw configurationInvalid(`mysql: ${option} '${name}' is longer than ${MAX_NAME_CHARACTERS} characters`)
  }
  return name
}

function milliseconds(options: MysqlOptions, name: TimeoutName, byDefault: number, least: number): number {
  return timeoutOption('mysql', options, name, byDefault, least)
}
