import { Socket } from 'node:net'
import { OncesinkError } from '../../errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { BackendId, SessionName } from '../dialect.ts'
import { askPassword, asRefusedPassword } from '../password.ts'
import pg from './driver.ts'
import { asServerError } from './errors.ts'
import type { PostgresPlan, PostgresTarget } from './options.ts'
import { Session } from './session.ts'
import { applicationName } from './session-name.ts'
import { startedAt } from './session-settings.ts'
import { tlsOptions, withoutTls } from './tls.ts'
import { utcTypes } from './utc-types.ts'

/** Silence after which the kernel asks whether the peer is still there, in milliseconds. */
const KEEPALIVE_AFTER_MS = 10_000
/** Older servers have been without security fixes for years. */
const OLDEST_SERVER = 120_000
/** From here on a server can notice that its client is gone while a statement runs. */
const FIRST_WITH_CONNECTION_CHECK = 140_000
/** What is known of a session once it is open. */
export interface ServerFacts {
  /** Behind a pooler in transaction mode: of whichever backend was asked. */
  readonly backend: BackendId
  readonly version: string
  /** Whether `client_connection_check_interval` can be set. */
  readonly checksConnections: boolean
}

/**
 * Opens one session, named so that claims of the same job find it.
 * @throws OncesinkError DATABASE_UNAVAILABLE, DATABASE_REFUSED
 */
export async function openSession(
  plan: PostgresPlan,
  name: SessionName,
  runtime: Runtime,
): Promise<{ session: Session; facts: ServerFacts }> {
  const { target, connectTimeoutMs } = plan
  const password = await askPassword(
    target.password,
    'postgres',
    whereIs(target),
    runtime.clock,
    connectTimeoutMs,
  )
  const ssl = await tlsOptions(target.ssl, target.urlTls)
  const socket = new Socket()
  const client = new pg.Client({
    ...clientConfig(target, password),
    ssl,
    application_name: applicationName(plan.schema, name),
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_AFTER_MS,
    stream: () => socket,
    types: utcTypes,
  })
  const session = new Session({
    client,
    socket,
    clock: runtime.clock,
    schema: plan.schema,
    statementTimeoutMs: plan.statementTimeoutMs,
  })
  try {
    await session.guard({ scope: 'connect', doing: 'connect' }, () => client.connect())
    return { session, facts: await prepareSession(session) }
  } catch (error) {
    session.destroy()
    throw asRefusedPassword(error, target.password, isRefusedPassword)
  }
}

function isRefusedPassword(cause: unknown): boolean {
  return ['28P01', '28000'].includes(asServerError(cause)?.code ?? '')
}

/** Field by field: a spread would leave out the secret ones, which are not enumerable. */
function clientConfig(
  { connectionString, host, port, user, database }: PostgresTarget,
  password: string | undefined,
): pg.ClientConfig {
  if (connectionString === undefined) return { host, port, user, password, database }
  const url = new URL(connectionString)
  if (password !== undefined) url.password = encodeURIComponent(password)
  // They would replace the name by which claims find this job's sessions.
  url.searchParams.delete('application_name')
  url.searchParams.delete('fallback_application_name')
  withoutTls(url)
  return { connectionString: url.href }
}

/** For messages of a time at which there is no client yet. */
function whereIs({ connectionString, host, port }: PostgresTarget): string {
  if (connectionString !== undefined) return new URL(connectionString).host
  return `${host ?? process.env.PGHOST ?? 'localhost'}:${port ?? process.env.PGPORT ?? 5432}`
}

/**
 * What the server is, and whether it can do what is asked of it. In a transaction: a pooler that cannot keep one
 * together is found here. Nothing is set that outlives it.
 */
async function prepareSession(session: Session): Promise<ServerFacts> {
  const purpose = { scope: 'own', doing: 'begin a transaction' } as const
  await session.query('BEGIN READ ONLY', null, purpose)
  const { rows } = await session.query<{ number: number; version: string; pid: number; started: string }>(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
       pid, ${startedAt} AS started
     FROM pg_stat_activity WHERE pid = pg_backend_pid()`,
    [],
    purpose,
  )
  const [row] = rows
  if (!row || row.number < OLDEST_SERVER) {
    throw new OncesinkError(
      'DATABASE_REFUSED',
      `${session.target} is PostgreSQL ${row?.version ?? 'of an unknown version'}: oncesink needs version 12 or newer. ` +
        'Upgrade the server, or name another one',
    )
  }
  const checksConnections = row.number >= FIRST_WITH_CONNECTION_CHECK && (await checkConnections(session))
  await session.query('ROLLBACK', null, purpose)
  return {
    backend: { id: row.pid, startedAt: row.started },
    version: `PostgreSQL ${row.version}`,
    checksConnections,
  }
}

/** Returns false where the server's platform cannot do it (it says so with class 22). Ends with its transaction. */
async function checkConnections(session: Session): Promise<boolean> {
  try {
    await session.query(`SELECT set_config('client_connection_check_interval', '1s', true)`, [], {
      scope: 'sink',
      doing: 'set client_connection_check_interval',
    })
    return true
  } catch (error) {
    if (error instanceof OncesinkError && error.code === 'ROWS_REJECTED') return false
    throw error
  }
}
