import type { ConnectionOptions } from 'node:tls'
import type { DatabasePlan } from '../../job/job.ts'
import {
  checkPort,
  configurationInvalid,
  refuseUnknownOptions,
  type TimeoutName,
  timeoutOption,
} from '../engine-options.ts'
import type { Password } from '../password.ts'
import { contradicts, environmentTls, type UrlTls, urlTls } from './tls.ts'

export interface PostgresOptions {
  /**
   * `postgres://user:password@host:port/database?sslmode=...`. Either this or the single settings below; what
   * neither gives is taken from PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE.
   *
   * TLS: `sslmode` is `disable`, `no-verify` (encrypted, unchecked), `verify-ca` (the authority is checked),
   * `verify-full` (the host name as well) or `require`, which is the same as `verify-full`; `sslrootcert`, `sslcert`
   * and `sslkey` name PEM files, read anew for every connection.
   */
  readonly connectionString?: string | undefined
  /** Host name, address, or directory of a Unix socket. */
  readonly host?: string | undefined
  /** @default 5432 */
  readonly port?: number | undefined
  readonly user?: string | undefined
  /**
   * A text; or a function that is asked anew for every connection, for tokens that expire, also beside a
   * `connectionString` without a password. While it fails or what it gives is refused, the job tries again as it does
   * when the database is away. It may take `connectTimeoutMs`.
   */
  readonly password?: string | (() => string | Promise<string>) | undefined
  readonly database?: string | undefined
  /**
   * `true` verifies the server's certificate and host name; an object is given to Node's tls.connect (`ca`, `cert`,
   * `key` ...). @default false, or what sslmode in the connectionString or PGSSLMODE says
   */
  readonly ssl?: boolean | ConnectionOptions | undefined
  /** Schema of oncesink's own tables. @default 'oncesink' */
  readonly schema?: string | undefined
  /** How long one statement may run, in milliseconds, from 100. @default 60000 */
  readonly statementTimeoutMs?: number | undefined
  /**
   * How long a statement may wait for a lock, in milliseconds; below `statementTimeoutMs`. Default 10,000, or half of
   * `statementTimeoutMs` if that is less.
   */
  readonly lockTimeoutMs?: number | undefined
  /** How long the server lets a transaction stand idle, in milliseconds, from 100. @default 60000 */
  readonly idleInTransactionTimeoutMs?: number | undefined
  /** How long one attempt to connect may take, in milliseconds, from 10. @default 5000 */
  readonly connectTimeoutMs?: number | undefined
}

/** {@link PostgresOptions} with defaults, validated and frozen. */
export interface PostgresPlan extends DatabasePlan {
  readonly engine: 'postgres'
  /** Where and as whom to connect; the secret parts are not enumerable, so that dumping a plan leaks nothing. */
  readonly target: PostgresTarget
  readonly schema: string
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
  readonly idleInTransactionTimeoutMs: number
  readonly connectTimeoutMs: number
}

export interface PostgresTarget {
  readonly connectionString: string | undefined
  readonly host: string | undefined
  readonly port: number | undefined
  readonly user: string | undefined
  readonly password: Password | undefined
  readonly database: string | undefined
  readonly ssl: boolean | ConnectionOptions | undefined
  /** What the connection string says where `ssl` does not. */
  readonly urlTls: UrlTls | null
}

/** PostgreSQL cuts longer names without an error. */
const MAX_NAME_BYTES = 63

const known: Record<keyof PostgresOptions, true> = {
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

/**
 * Configuration of a PostgreSQL database (version 12 or newer).
 * @throws OncesinkError CONFIGURATION_INVALID, naming the option and what to do
 */
export function postgres(options: PostgresOptions): PostgresPlan {
  if (typeof options !== 'object' || options === null) {
    throw configurationInvalid('postgres(...) takes an object of options, for example { connectionString }')
  }
  refuseUnknownOptions('postgres', options, known)
  const statementTimeoutMs = milliseconds(options, 'statementTimeoutMs', 60_000, 100)
  // A wait for a lock must end as such: as a statement that runs too long it would be blamed on its record.
  const lockTimeoutMs = milliseconds(
    options,
    'lockTimeoutMs',
    Math.min(10_000, Math.floor(statementTimeoutMs / 2)),
    10,
  )
  if (lockTimeoutMs >= statementTimeoutMs) {
    throw configurationInvalid(
      `postgres: lockTimeoutMs (${lockTimeoutMs}) must be below statementTimeoutMs (${statementTimeoutMs}): lower the one, or raise the other`,
    )
  }
  return Object.freeze({
    engine: 'postgres',
    target: resolveTarget(options),
    schema: resolveSchema(options.schema),
    statementTimeoutMs,
    lockTimeoutMs,
    idleInTransactionTimeoutMs: milliseconds(options, 'idleInTransactionTimeoutMs', 60_000, 100),
    connectTimeoutMs: milliseconds(options, 'connectTimeoutMs', 5_000, 10),
  })
}

function resolveTarget(options: PostgresOptions): PostgresTarget {
  const { connectionString } = options
  const single = (['host', 'port', 'user', 'password', 'database'] as const).filter(
    (name) => options[name] !== undefined && !(name === 'password' && typeof options[name] === 'function'),
  )
  if (connectionString === undefined && single.length === 0) {
    throw configurationInvalid(
      'connectionString' in options
        ? 'postgres: connectionString is undefined. Is the environment variable that it is read from set?'
        : 'postgres: where is the database? Give connectionString, or host, port, user, password and database',
    )
  }
  if (connectionString !== undefined) {
    if (single.length > 0) {
      throw configurationInvalid(`postgres: give either connectionString or ${single.join(', ')}, not both`)
    }
    checkConnectionString(connectionString)
    if (options.password !== undefined && new URL(connectionString).password !== '') {
      throw configurationInvalid(
        'postgres: connectionString has a password, and password is a function: leave out one of them',
      )
    }
  }
  for (const name of ['host', 'user', 'database'] as const) {
    const value = options[name]
    if (value !== undefined && typeof value !== 'string')
      throw configurationInvalid(`postgres: ${name} must be a string`)
  }
  if (!['undefined', 'string', 'function'].includes(typeof options.password)) {
    throw configurationInvalid(
      'postgres: password must be a string, or a function that returns one or a promise of one',
    )
  }
  const { host, port, user, password, database, ssl } = options
  checkPort('postgres', port)
  if (ssl !== undefined && typeof ssl !== 'boolean' && (typeof ssl !== 'object' || ssl === null)) {
    throw configurationInvalid('postgres: ssl must be true, false, or an object of options for tls.connect')
  }
  const tls = connectionString === undefined ? null : urlTls(connectionString)
  if (contradicts(ssl, tls)) {
    throw configurationInvalid(
      'postgres: the option ssl and the ssl parameters of connectionString contradict each other: leave out one of them',
    )
  }
  const target = {
    connectionString,
    host,
    port,
    user,
    password,
    database,
    ssl,
    urlTls: tls ?? environmentTls(process.env),
  }
  for (const secret of ['connectionString', 'password', 'ssl'] as const) {
    Object.defineProperty(target, secret, { enumerable: false })
  }
  return Object.freeze(target)
}

function checkConnectionString(value: unknown): void {
  if (typeof value !== 'string') throw configurationInvalid('postgres: connectionString must be a string')
  if (value === '') {
    throw configurationInvalid(
      'postgres: connectionString is empty. Is the environment variable that it is read from set?',
    )
  }
  // The value itself is not repeated: it holds the password.
  if (!/^postgres(ql)?:\/\//.test(value) || !URL.canParse(value)) {
    throw configurationInvalid(
      'postgres: connectionString is not of the form postgres://user:password@host:port/database ' +
        '(special characters in the password are written percent-encoded)',
    )
  }
}

function resolveSchema(schema: unknown = 'oncesink'): string {
  if (typeof schema !== 'string' || schema === '' || schema.includes('\0')) {
    throw configurationInvalid("postgres: schema must be the name of a schema, for example 'oncesink'")
  }
  if (Buffer.byteLength(schema) > MAX_NAME_BYTES) {
    throw configurationInvalid(`postgres: schema '${schema}' is longer than ${MAX_NAME_BYTES} bytes`)
  }
  return schema
}

function milliseconds(options: PostgresOptions, name: TimeoutName, byDefault: number, least: number): number {
  return timeoutOption('postgres', options, name, byDefault, least)
}
