import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { asError } from '../../src/errors.ts'
import { freePort } from '../../src/services/native/free-ports.ts'
import { unprivilegedAccount } from '../../src/services/native/postgres-program.ts'
import { Sandbox } from '../../src/services/native/sandbox.ts'
import { ServerProcess } from '../../src/services/native/server-process.ts'
import { cleanUpAfterFile, postgresService } from './postgres-service.ts'

const run = promisify(execFile)

export interface PgBouncerOptions {
  readonly poolMode: 'session' | 'transaction' | 'statement'
  /** Server connections per user and database. */
  readonly poolSize: number
}

export interface PgBouncer {
  readonly version: string
  /** The same database, through the pooler. */
  through(url: string): string
}

/**
 * A real PgBouncer in front of the PostgreSQL of this run; it ends after the test file. The system's, or one that is
 * unpacked from the system's own packages into the user's cache (nothing is installed).
 */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  const server = new URL(postgresService().url)
  // PgBouncer refuses to run as root, as PostgreSQL does.
  const account = await unprivilegedAccount()
  const sandbox = await Sandbox.create({ name: 'pgbouncer', stopSignal: 'QUIT', account })
  cleanUpAfterFile(() => sandbox.remove())
  const { command, env } = await program(sandbox.dir)
  const port = await freePort()
  const config = join(sandbox.dir, 'pgbouncer.ini')
  const users = join(sandbox.dir, 'users.txt')
  await writeFile(users, `"${server.username}" "${decodeURIComponent(server.password)}"\n`)
  await writeFile(
    config,
    `[databases]
* = host=${server.hostname} port=${server.port || 5432}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = ${options.poolMode}
default_pool_size = ${options.poolSize}
`,
  )
  const process = new ServerProcess(sandbox, {
    title: 'PgBouncer',
    command,
    args: [config],
    env,
    startTimeoutMs: 20_000,
    failureCode: 'DATABASE_UNAVAILABLE',
    isReady: (_, log) => log.includes('process up'),
  })
  await process.start()
  const { stdout } = await run(command, ['--version'], { env })
  return {
    version: /PgBouncer (\S+)/.exec(stdout)?.[1] ?? 'unknown',
    through: (url) => {
      const pooled = new URL(url)
      pooled.host = `127.0.0.1:${port}`
      return pooled.href
    },
  }
}

interface Program {
  readonly command: string
  readonly env: NodeJS.ProcessEnv
}

async function program(sandbox: string): Promise<Program> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  const installed = folders.map((folder) => join(folder, 'pgbouncer')).find((path) => existsSync(path))
  if (installed) return { command: installed, env: process.env }
  // The account that runs it may not enter the user's cache.
  const unpacked = join(sandbox, 'program')
  await cp(await unpackedPackages(), unpacked, { recursive: true, verbatimSymlinks: true })
  const libraries = (await readdir(join(unpacked, 'usr', 'lib'))).map((name) =>
    join(unpacked, 'usr', 'lib', name),
  )
  return {
    command: join(unpacked, 'usr', 'sbin', 'pgbouncer'),
    env: { ...process.env, LD_LIBRARY_PATH: libraries.join(delimiter) },
  }
}

/** PgBouncer and the libraries that this machine lacks for it, unpacked from its own packages. */
async function unpackedPackages(): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'oncesink')
  const folder = join(cache, 'pgbouncer')
  if (existsSync(folder)) return folder
  try {
    await mkdir(cache, { recursive: true })
    const partial = await mkdtemp(join(cache, 'partial-'))
    await mkdir(join(partial, 'archives', 'partial'), { recursive: true })
    await download(join(partial, 'archives'))
    for (const name of await readdir(join(partial, 'archives'))) {
      if (name.endsWith('.deb'))
        await run('dpkg-deb', ['-x', join(partial, 'archives', name), join(partial, 'root')])
    }
    await rename(join(partial, 'root'), folder)
    await rm(partial, { recursive: true })
    return folder
  } catch (error) {
    throw new Error(
      'PgBouncer is needed here and cannot be had: install it (apt-get install pgbouncer), or run the tests as root on ' +
        `Debian or Ubuntu, where they unpack it from the system's packages: ${asError(error).message}`,
      { cause: error },
    )
  }
}

async function download(archives: string): Promise<void> {
  const args = ['install', '-qq', '-y', '--download-only', '--no-install-recommends', 'pgbouncer']
  const get = () => run('apt-get', ['-o', `Dir::Cache::archives=${archives}`, ...args])
  await get().catch(async () => {
    // A fresh machine has no package lists yet.
    await run('apt-get', ['update', '-qq'])
    await get()
  })
}
