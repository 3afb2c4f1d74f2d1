import { Socket } from 'node:net'
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2'
import { OncesinkError } from '../../errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { BackendId, SessionName } from '../dialect.ts'
import { askPassword, asRefusedPassword } from '../password.ts'
import { asServerError } from './errors.ts'
import type { MysqlPlan, MysqlTarget } from './options.ts'
import { type Flavour, readVersion } from './server-version.ts'
import { Session } from './session.ts'
import { nameSession, sessionLock, startLock } from './session-lock.ts'
import { settingsOf, unfitReason } from './session-settings.ts'
import { SessionState } from './session-state.ts'

/** Silence after which the kernel asks whether the peer is still there, in milliseconds. */
const KEEPALIVE_AFTER_MS = 10_000

/** How long the server may take to answer KILL QUERY once it has let us in, in milliseconds. */
const KILL_ANSWER_MS = 2_000

/** What is known of a session once it is open. */
export interface ServerFacts {
  readonly backend: BackendId
  readonly flavour: Flavour
  /** Product and version, for example `MySQL 9.7.4` or `MariaDB 11.4.5`. */
  readonly version: string
  /** See {@link Session.exactCollation}. */
  readonly exactCollation: string
  readonly state: SessionState
}

/**
 * Opens one session: UTC, utf8mb4, strict, READ COMMITTED, bounded; named so that claims of the same job find it.
 * @throws OncesinkError DATABASE_UNAVAILABLE, DATABASE_REFUSED
 */
export async function openSession(
  plan: MysqlPlan,
  name: SessionName,
  runtime: Runtime,
): Promise<{ session: Session; facts: ServerFacts }> {
  const { client, socket } = await createClient(plan, name, runtime.clock)
  let backend: BackendId | null = null
  const session = new Session({
    client,
    socket,
    clock: runtime.clock,
    target: describeTarget(plan.target),
    schema: plan.schema,
    statementTimeoutMs: plan.statementTimeoutMs,
    interrupt: () => interruptStatement(plan, name, backend, runtime.clock),
  })
  try {
    await session.guard({ scope: 'connect', doing: 'connect' }, () => connected(client))
    const facts = await prepareSession(session, plan, name)
    backend = facts.backend
    return { session, facts }
  } catch (error) {
    session.destroy()
    throw asRefusedPassword(error, plan.target.password, isRefusedPassword)
  }
}

/** A client that is on its way to the server. */
async function createClient(
  plan: MysqlPlan,
  name: SessionName,
  clock: Clock,
): Promise<{ client: Connection; socket: Socket }> {
  const { target, connectTimeoutMs } = plan
  const password = await askPassword(
    target.password,
    'mysql',
    describeTarget(target),
    clock,
    connectTimeoutMs,
  )
  const options = clientOptions(plan, name, password)
  // A socket of our own: the driver's may be wrapped in TLS, and cutting must not wait for a good-bye.
  const socket = new Socket()
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEPALIVE_AFTER_MS)
  const { host, port } = target
  if (host.startsWith('/')) socket.connect(host)
  else socket.connect(port, host)
  return { client: createConnection({ ...options, stream: () => socket }), socket }
}

function clientOptions(
  { target, connectTimeoutMs }: MysqlPlan,
  name: SessionName,
  password: string | undefined,
): ConnectionOptions {
  const { host, port, user, database, ssl } = target
  return {
    host,
    port,
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    database,
    // A copy: the driver writes into it.
    ...(ssl && { ssl: { ...ssl } as NonNullable<ConnectionOptions['ssl']> }),
    charset: 'utf8mb4',
    timezone: 'Z',
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    connectTimeout: connectTimeoutMs,
    connectAttributes: { program_name: 'oncesink', oncesink_job: name.job, oncesink_owner: name.owner },
  }
}

function isRefusedPassword(cause: unknown): boolean {
  return asServerError(cause)?.errno === 1_045
}

function connected(client: Connection): Promise<void> {
  return new Promise((resolve, reject) => client.connect((error) => (error ? reject(error) : resolve())))
}

function describeTarget({ host, port, user, database }: MysqlTarget): string {
  const where = host.startsWith('/') ? host : host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return `${where}/${database} as ${user ?? 'nobody'}`
}

async function prepareSession(session: Session, plan: MysqlPlan, name: SessionName): Promise<ServerFacts> {
  const purpose = { scope: 'own', doing: 'set up the session' } as const
  const { rows } = await session.query<{ version: string; id: string }>(
    'SELECT version() AS version, connection_id() AS id',
    [],
    purpose,
  )
  const server = readVersion(rows[0]?.version ?? '')
  if (server.tooOld) throw new OncesinkError('DATABASE_REFUSED', `${session.target} is ${server.tooOld}`)
  const { flavour, version } = server
  await session.query('SET NAMES utf8mb4', [], purpose)
  await session.query(`SET SESSION ${settingsOf(plan, flavour).join(', ')}`, [], purpose)
  // Statements outside of transactions write, too: a server may let transactions begin read-only.
  await session.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE', [], purpose)
  const variables = await readVariables(session)
  const unfit = unfitReason(variables)
  if (unfit) throw new OncesinkError('DATABASE_REFUSED', `${session.target} cannot be used: ${unfit}`)
  // Newer MariaDB servers can be told to say no notes by this, whatever sql_notes is.
  if (variables.get('note_verbosity')?.includes('basic') === false) {
    await session.query("SET SESSION note_verbosity = 'basic'", [], purpose)
  }
  session.localInfile = takesLocalInfile(variables)
  session.maxAllowedPacket = Number(variables.get('max_allowed_packet'))
  session.exactCollation = flavour === 'mariadb' ? 'utf8mb4_nopad_bin' : 'utf8mb4_0900_bin'
  if (variables.get('lower_case_table_names') !== '0') session.lockScope = plan.schema.toLowerCase()
  const id = Number(rows[0]?.id)
  const startedAt = await nameSession(session, name, id)
  const state = new SessionState(session, flavour, sessionLock(session.lockScope, name.job, id))
  await state.remember()
  return { backend: { id, startedAt }, flavour, version, exactCollation: session.exactCollation, state }
}

/** A Galera cluster that is told to splits LOAD DATA, which then does not belong to one transaction. */
function takesLocalInfile(variables: ReadonlyMap<string, string>): boolean {
  return variables.get('local_infile') === 'ON' && variables.get('wsrep_load_data_splitting') !== 'ON'
}

/** SHOW and not SELECT @@: no server has all of them. */
async function readVariables(session: Session): Promise<Map<string, string>> {
  const { rows } = await session.query<{ Variable_name: string; Value: string }>(
    `SHOW SESSION VARIABLES
     WHERE Variable_name IN ('max_allowed_packet', 'log_bin', 'binlog_format', 'lower_case_table_names',
       'local_infile', 'wsrep_load_data_splitting', 'note_verbosity')`,
    [],
    { scope: 'own', doing: "read the server's settings" },
  )
  return new Map(rows.map((row) => [row.Variable_name.toLowerCase(), row.Value]))
}

/**
 * The bare connection, without a session's settings and name: one statement, and away.
 *
 * The server is told the name of the lock that only this very session can hold, and not its id: whoever answers may be
 * another server by now, or the same one after a restart, where the id is somebody else's.
 */
async function interruptStatement(
  plan: MysqlPlan,
  name: SessionName,
  backend: BackendId | null,
  clock: Clock,
): Promise<void> {
  if (!backend) throw new Error('the session is not set up yet')
  const { client, socket } = await createClient(plan, name, clock)
  const settled = new AbortController()
  const answered = new Promise<void>((resolve, reject) => {
    // Once it has been in use a connection tells its loss by this event only.
    client.on('error', reject)
    const kill = 'KILL QUERY is_used_lock(?)'
    client.query(kill, [startLock(backend.id, backend.startedAt)], (error) =>
      error ? reject(error) : resolve(),
    )
  })
  // The driver bounds the time to connect, and nothing after it.
  const limit = clock.sleep(plan.connectTimeoutMs + KILL_ANSWER_MS, settled.signal).then(() => {
    throw new Error('no answer to KILL QUERY')
  })
  try {
    await Promise.race([answered, limit])
  } finally {
    socket.destroy()
    settled.abort()
  }
}
