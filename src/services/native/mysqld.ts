import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Engine } from '../engine.ts'
import { whatItSaid } from './commands.ts'

/** A server of the MySQL family that can be run here. */
export interface MysqlProgram {
  readonly engine: Exclude<Engine, 'postgres'>
  /** `MySQL` or `MariaDB`. */
  readonly title: string
  readonly version: string
  /** The server. */
  readonly command: string
  /** What it needs in every call, first. */
  readonly args: readonly string[]
  /** Options of this engine alone. */
  readonly serverArgs: readonly string[]
  /** What writes the system tables of a new server, but for `--datadir` and `--user`. */
  readonly initialise: { readonly command: string; readonly args: readonly string[] }
}

/** Why a way to get a program is not there. */
export interface Refused {
  readonly refused: string
}

/** What `mysqld --version` says of itself. */
export interface MysqldVersion {
  readonly version: string
  readonly major: number
  readonly isMariadb: boolean
}

/** Asks the server for its version. */
export async function mysqldVersion(
  command: string,
  args: readonly string[] = [],
): Promise<MysqldVersion | Refused> {
  try {
    const { stdout } = await promisify(execFile)(command, [...args, '--version'])
    return parseMysqldVersion(stdout)
  } catch (error) {
    return { refused: `${command} does not run (${whatItSaid(error, 1)})` }
  }
}

/** Reads lines such as `mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)`. */
export function parseMysqldVersion(text: string): MysqldVersion {
  const version = /Ver (\d+(?:\.\d+)*)/.exec(text)?.[1] ?? 'unknown'
  return { version, major: Number.parseInt(version, 10) || 0, isMariadb: /mariadb/i.test(text) }
}

/** MySQL as `command` with `args` runs it; `places` are the options that say where its files are. */
export function mysqlServer(
  version: string,
  command: string,
  args: readonly string[],
  places: readonly string[] = [],
): MysqlProgram {
  return {
    engine: 'mysql',
    title: 'MySQL',
    version,
    command,
    args: [...args, '--no-defaults', ...places],
    // Without a folder of the package's own the server would not start; NULL switches files of the server off.
    serverArgs: ['--mysqlx=0', '--secure-file-priv=NULL'],
    initialise: { command, args: [...args, '--no-defaults', ...places, '--initialize-insecure'] },
  }
}
