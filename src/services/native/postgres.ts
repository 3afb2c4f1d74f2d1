import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chown, cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { asError, OncesinkError } from '../../errors.ts'
import type { DatabaseOptions, NativePostgres } from '../service.ts'
import { freePort, retryOnTakenPort } from './free-ports.ts'
import { postgresFolder, unprivilegedAccount, usableBy } from './postgres-program.ts'
import { type Account, Sandbox } from './sandbox.ts'
import { ServerProcess } from './server-process.ts'

const startTimeoutMs = 60_000

const defaultSettings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  // Shared memory as files of the data directory: nothing is left in /dev/shm when the server is killed.
  dynamic_shared_memory_type: 'mmap',
  max_connections: '200',
}

/**
 * A PostgreSQL server on this machine, on a free port of 127.0.0.1, with its data in a temporary directory and as
 * durable as a real one (fsync is on). It ends with this process, however this process ends.
 * @throws OncesinkError CONFIGURATION_INVALID (no program for this platform), DATABASE_UNAVAILABLE (with the end of
 *   its log)
 */
export async function startNativePostgres(options: DatabaseOptions = {}): Promise<NativePostgres> {
  const folder = await postgresFolder()
  const account = await unprivilegedAccount()
  return retryOnTakenPort(() => startServer(folder, account, options))
}

async function startServer(
  installed: string,
  account: Account | undefined,
  options: DatabaseOptions,
): Promise<NativePostgres> {
  const port = options.port ?? (await freePort())
  const password = randomBytes(12).toString('hex')
  return launch({ installed, account, options, port, password }, async (place) => {
    options.onProgress?.(`PostgreSQL ${place.version}: starting`)
    await initialise({ ...place, password, passwordFile: join(place.dir, 'password') })
  })
}

interface Server {
  readonly installed: string
  readonly account: Account | undefined
  readonly options: DatabaseOptions
  readonly port: number
  readonly password: string
}

/** Where a server's files are, and as whom its programs run. */
interface Place {
  readonly dir: string
  readonly folder: string
  readonly version: string
  readonly data: string
  readonly account: Account | undefined
  readonly env: NodeJS.ProcessEnv
}

/** @param prepare makes the data directory */
async function launch(made: Server, prepare: (place: Place) => Promise<void>): Promise<NativePostgres> {
  const { installed, account, options, port, password } = made
  // SIGQUIT: the postmaster ends its children, and leaves no shared memory behind.
  const sandbox = await Sandbox.create({ name: 'postgres', stopSignal: 'QUIT', account })
  try {
    const { folder, version } = await usableBy(account, installed, sandbox.dir)
    const data = join(sandbox.dir, 'data')
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
    await prepare({ dir: sandbox.dir, folder, version, data, account, env })
    const settings = { ...defaultSettings, port: String(port), ...options.settings }
    const server = new ServerProcess(sandbox, {
      title: `PostgreSQL ${version}`,
      command: join(folder, 'bin', 'postgres'),
      args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      env,
      startTimeoutMs,
      failureCode: 'DATABASE_UNAVAILABLE',
      isReady: (pid) => acceptsConnections(data, pid),
    })
    await server.start()
    const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
    return {
      engine: 'postgres',
      provider: 'native',
      version,
      url,
      logFile: server.logFile,
      get pid() {
        return server.pid
      },
      kill: (signal) => server.kill(signal),
      restart: () => server.restart(),
      startStandby: () => startStandby(made, data, url),
      stop: () => sandbox.remove(),
    }
  } catch (error) {
    await sandbox.remove()
    throw error
  }
}

/** PostgreSQL's low-level backup (its manual, 25.3.4): both calls in one session, the files copied between them. */
async function startStandby(primary: Server, data: string, url: string): Promise<NativePostgres> {
  const port = await freePort()
  const options = {
    ...primary.options,
    settings: {
      ...primary.options.settings,
      primary_conninfo: `${url}?application_name=standby`,
      hot_standby: 'on',
    },
  }
  return launch({ ...primary, options, port }, async (place) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      await client.query("SELECT pg_backup_start('standby', true)")
      await cp(data, place.data, {
        recursive: true,
        // What is gone when it is to be copied is in the log.
        filter: (path) => !/\/(postmaster\.(pid|opts)|pg_wal\/.+|pgsql_tmp.*)$/.test(path),
      })
      const { rows } = await client.query<{ labelfile: string }>(
        'SELECT labelfile FROM pg_backup_stop(false)',
      )
      await writeFile(join(place.data, 'backup_label'), rows[0]?.labelfile ?? '')
      await writeFile(join(place.data, 'standby.signal'), '')
    } finally {
      await client.end()
    }
    await rm(join(place.data, 'backup_label.old'), { force: true })
    if (place.account) await ownedBy(place.account, place.data)
  })
}

/** Copies belong to whoever copies. */
async function ownedBy({ uid, gid }: Account, folder: string): Promise<void> {
  await promisify(execFile)('chown', ['-R', `${uid}:${gid}`, folder])
  await promisify(execFile)('chmod', ['700', folder])
}

interface NewCluster extends Pick<Place, 'folder' | 'data' | 'account' | 'env'> {
  readonly password: string
  readonly passwordFile: string
}

async function initialise({ folder, data, account, env, password, passwordFile }: NewCluster): Promise<void> {
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (account) await chown(passwordFile, account.uid, account.gid)
  const args = [
    `--pgdata=${data}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-sync', // the new files are worth nothing yet
  ]
  try {
    await promisify(execFile)(join(folder, 'bin', 'initdb'), args, { cwd: '/', env, ...account })
  } catch (error) {
    throw new OncesinkError(
      'DATABASE_UNAVAILABLE',
      `PostgreSQL cannot initialise its data directory; mend what initdb says:\n${asError(error).message}`,
      { cause: error },
    )
  }
}

/**
 * The first line of postmaster.pid is the server's process id, the eighth its state: what pg_ctl looks at. A standby
 * accepts connections too, for reading.
 */
function acceptsConnections(data: string, pid: number): boolean {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
    return lines[0]?.trim() === String(pid) && /^(ready|standby)$/.test(lines[7]?.trim() ?? '')
  } catch {
    return false // not written yet
  }
}
