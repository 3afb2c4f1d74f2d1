import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { OncesinkError } from '../../errors.ts'
import type { DatabaseOptions, NativeDatabase } from '../service.ts'
import { whatItSaid } from './commands.ts'
import { freePort, retryOnTakenPort } from './free-ports.ts'
import { mariadbProgram } from './mariadb-program.ts'
import { mysqlProgram } from './mysql-program.ts'
import type { MysqlProgram } from './mysqld.ts'
import { cachedFolder, fillOnce } from './program-cache.ts'
import { Sandbox } from './sandbox.ts'
import { ServerProcess } from './server-process.ts'

const startTimeoutMs = 60_000
const initialiseTimeoutMs = 120_000

/** The host names under which a client of this machine may be known; which of them have a root depends on the engine. */
const localHosts = ['localhost', '127.0.0.1', '::1']

/**
 * A MySQL server on this machine, on a free port of 127.0.0.1, with its data in a temporary directory and as durable as
 * a real one: its own defaults hold. It ends with this process, however this process ends.
 * @throws OncesinkError CONFIGURATION_INVALID (no program for this machine), DATABASE_UNAVAILABLE (with the end of its
 *   log)
 */
export async function startNativeMysql(options: DatabaseOptions = {}): Promise<NativeDatabase> {
  return startProgram(await mysqlProgram(options.onProgress), options)
}

/** The same with MariaDB. */
export async function startNativeMariadb(options: DatabaseOptions = {}): Promise<NativeDatabase> {
  return startProgram(await mariadbProgram(options.onProgress), options)
}

function startProgram(program: MysqlProgram, options: DatabaseOptions): Promise<NativeDatabase> {
  options.onProgress?.(`${program.title} ${program.version}: starting`)
  return retryOnTakenPort(() => startServer(program, options))
}

async function startServer(program: MysqlProgram, options: DatabaseOptions): Promise<NativeDatabase> {
  const port = options.port ?? (await freePort())
  const sandbox = await Sandbox.create({ name: program.engine, stopSignal: 'KILL' })
  try {
    const data = join(sandbox.dir, 'data')
    const initFile = join(sandbox.dir, 'init.sql')
    // Servers that share one remove each other's temporary tables.
    const temporary = join(sandbox.dir, 'tmp')
    await mkdir(temporary)
    const password = randomBytes(12).toString('hex')
    await newDataDirectory(program, data)
    await writeFile(initFile, rootPassword(password), { mode: 0o600 })
    const settings = { 'max-connections': '200', ...options.settings }
    const server = new ServerProcess(sandbox, {
      title: `${program.title} ${program.version}`,
      command: program.command,
      args: [
        ...program.args,
        `--datadir=${data}`,
        `--tmpdir=${temporary}`,
        ...userArgs(),
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        // Inside the data directory, where the name is short enough for a socket wherever that is.
        '--socket=server.sock',
        '--pid-file=server.pid',
        `--init-file=${initFile}`,
        ...program.serverArgs,
        ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
      ],
      env: serverEnvironment(),
      startTimeoutMs,
      failureCode: 'DATABASE_UNAVAILABLE',
      isReady: (_, log) => log.includes(': ready for connections'),
    })
    await server.start()
    return {
      engine: program.engine,
      provider: 'native',
      version: program.version,
      url: `mysql://root:${password}@127.0.0.1:${port}/mysql`,
      logFile: server.logFile,
      get pid() {
        return server.pid
      },
      kill: (signal) => server.kill(signal),
      restart: () => server.restart(),
      stop: () => sandbox.remove(),
    }
  } catch (error) {
    await sandbox.remove()
    throw error
  }
}

/**
 * Writing the system tables takes seconds (MySQL: 4 s), and the result is always the same: the first server of a
 * program leaves a copy in the cache folder, and every later one begins with a copy of that.
 */
async function newDataDirectory(program: MysqlProgram, data: string): Promise<void> {
  const identity = JSON.stringify([program.version, program.command, program.initialise])
  const fingerprint = createHash('sha256').update(identity).digest('hex').slice(0, 8)
  const template = cachedFolder(`${program.engine}-${program.version}-data-${fingerprint}`)
  if (existsSync(template)) return cp(template, data, { recursive: true })
  await initialise(program, data)
  // The server's own id: every one makes a new one.
  await rm(join(data, 'auto.cnf'), { force: true })
  await fillOnce(template, async (partial) => {
    const copy = join(partial, 'data')
    await cp(data, copy, { recursive: true })
    return copy
  })
}

async function initialise(program: MysqlProgram, data: string): Promise<void> {
  const { command, args } = program.initialise
  try {
    await promisify(execFile)(command, [...args, `--datadir=${data}`, ...userArgs()], {
      cwd: '/',
      env: serverEnvironment(),
      timeout: initialiseTimeoutMs,
    })
  } catch (error) {
    throw new OncesinkError(
      'DATABASE_UNAVAILABLE',
      `${program.title} ${program.version} cannot initialise its data directory; mend what it says:\n${whatItSaid(error, 25)}`,
      { cause: error },
    )
  }
}

/** Both servers refuse to run as root unless they are told to. */
function userArgs(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : []
}

function serverEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
}

/** Run by the server at each start, before it listens. One statement a line. */
function rootPassword(password: string): string {
  return localHosts
    .map((host) => `ALTER USER IF EXISTS 'root'@'${host}' IDENTIFIED BY '${password}';\n`)
    .join('')
}
