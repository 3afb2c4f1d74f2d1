import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { onPath, whatItSaid } from './commands.ts'
import { type MysqlProgram, mysqldVersion, mysqlServer, type Refused } from './mysqld.ts'
import { cachedFolder, fillOnce } from './program-cache.ts'

/*
 * Debian's releases have MariaDB in the place of MySQL; Debian's unstable suite has MySQL. Its server and every library
 * that it needs, down to the C library, are unpacked into a folder of the cache and run from there by their own loader:
 * nothing is installed, nothing of the machine is changed, and none of its libraries is used. No privilege is needed.
 *
 * apt-get works on state, cache and sources of its own. What this machine says about proxies, credentials and keys
 * holds; its hooks and pins do not.
 */

const run = promisify(execFile)
const suite = 'sid'
const wanted = 'mysql-server-core'
const aptTimeoutMs = 10 * 60_000
const aptOutputBytes = 16 * 1024 * 1024

/** Names of the release that this machine's sources may carry instead of its code name. */
const rollingNames = ['stable', 'oldstable', 'oldoldstable', 'testing', 'unstable', suite]

/** Debian's own keys; older Debians keep them where every source finds them. */
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** How the libraries' folder and the loader are called, by Debian's name for the processor. */
const loaders: Readonly<Record<string, { readonly triplet: string; readonly loader: string }>> = {
  amd64: { triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
}

/**
 * MySQL from Debian's unstable suite; on Debian only. It is fetched once (60 MB) and kept: remove the folder from the
 * cache to get a newer one.
 */
export async function debianMysql(
  onProgress?: (message: string) => void,
  env: NodeJS.ProcessEnv = process.env,
  osReleaseFile = '/etc/os-release',
): Promise<MysqlProgram | Refused> {
  const { ID, VERSION_CODENAME } = parseOsRelease(await readFile(osReleaseFile, 'utf8').catch(() => ''))
  if (ID !== 'debian' || !onPath('apt-get', env) || !onPath('dpkg-deb', env)) {
    return { refused: 'this is no Debian, where it could be fetched' }
  }
  try {
    const { stdout } = await run('dpkg', ['--print-architecture'], { env })
    const architecture = stdout.trim()
    const names = loaders[architecture]
    if (!names) return { refused: `a loader for the processor ${architecture} is not known` }
    const folder = cachedFolder(`mysql-${suite}-${architecture}`, env)
    if (!existsSync(folder)) {
      onProgress?.(`MySQL: fetching it once from Debian's ${suite} with apt-get (60 MB) to ${folder}`)
      const mirror = await debianMirror(VERSION_CODENAME, env)
      if (!mirror) return { refused: 'no source of apt-get (apt-get indextargets) is one of Debian' }
      await fillOnce(folder, (partial) => fetch(partial, mirror, architecture, env))
    }
    return await programIn(folder, names)
  } catch (error) {
    return { refused: `fetching it with apt-get failed:\n    ${whatItSaid(error)}` }
  }
}

async function programIn(
  folder: string,
  { triplet, loader }: { readonly triplet: string; readonly loader: string },
): Promise<MysqlProgram | Refused> {
  const libraries = join(folder, 'usr', 'lib', triplet)
  const command = join(libraries, loader)
  const args = ['--library-path', libraries, join(folder, 'usr', 'sbin', 'mysqld')]
  const found = await mysqldVersion(command, args)
  if ('refused' in found) return found
  return mysqlServer(found.version, command, args, [
    `--basedir=${join(folder, 'usr')}`,
    `--lc-messages-dir=${join(folder, 'usr', 'share', 'mysql')}`,
  ])
}

/** Downloads the packages and unpacks them into one folder below `partial`, which is returned. */
async function fetch(
  partial: string,
  mirror: string,
  architecture: string,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const config = join(partial, 'apt.conf')
  const archives = join(partial, 'cache', 'archives')
  await Promise.all(['state/lists/partial', 'cache/archives/partial'].map((name) => folderIn(partial, name)))
  await writeFile(join(partial, 'status'), '')
  await writeFile(join(partial, 'debian.sources'), sourceText(mirror, architecture, existsSync(keyring)))
  await writeFile(config, aptConfig(partial))
  const apt = (...args: string[]) =>
    run('apt-get', ['-q', '-y', '-c', config, ...args], {
      env: { ...env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      timeout: aptTimeoutMs,
      maxBuffer: aptOutputBytes,
    })
  await apt('-o', 'APT::Update::Error-Mode=any', 'update')
  // No package counts as installed: the download is complete in itself.
  await apt('install', '--download-only', '--no-install-recommends', wanted)
  const root = join(partial, 'root')
  await mkdir(root)
  for (const name of (await readdir(archives)).filter((file) => file.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', join(archives, name), root], { env })
  }
  return root
}

/**
 * Where this machine gets Debian from, as apt itself reads its sources, whatever their form. Undefined where none of
 * them is Debian's main archive.
 */
async function debianMirror(
  codename: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const format = '$(SITE) $(RELEASE) $(COMPONENT)'
  const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], {
    env,
    maxBuffer: aptOutputBytes,
  })
  return chooseMirror(stdout, codename)
}

/** @param targets lines of `site release component` */
export function chooseMirror(targets: string, codename: string | undefined): string | undefined {
  const releases = [...(codename ? [codename] : []), ...rollingNames]
  return targets
    .split('\n')
    .map((line) => line.trim().split(' '))
    .find(([, release = '', component]) => component === 'main' && releases.includes(release))?.[0]
}

export function parseOsRelease(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [, name, value] =
        /^(\w+)=(?:"(.*)"|(.*))$/.exec(line.trim())?.filter((part) => part !== undefined) ?? []
      return name === undefined ? [] : [[name, value ?? '']]
    }),
  )
}

function sourceText(mirror: string, architecture: string, hasKeyring: boolean): string {
  return [
    'Types: deb',
    `URIs: ${mirror}`,
    `Suites: ${suite}`,
    'Components: main',
    `Architectures: ${architecture}`,
    'Languages: none',
    'Targets: Packages',
    ...(hasKeyring ? [`Signed-By: ${keyring}`] : []),
    '',
  ].join('\n')
}

function aptConfig(folder: string): string {
  const hooks = ['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success']
  const values = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::SourceList': join(folder, 'debian.sources'),
    'Dir::Etc::SourceParts': '-',
    'Dir::Etc::Preferences': '-',
    'Dir::Etc::PreferencesParts': '-',
    // As root, apt would fetch as an account that may not write here.
    'APT::Sandbox::User': 'root',
    'APT::Install-Recommends': 'false',
    'Acquire::Languages': 'none',
  }
  return [
    ...hooks.map((name) => `#clear ${name};`),
    ...Object.entries(values).map(([name, value]) => `${name} "${value}";`),
    '',
  ].join('\n')
}

async function folderIn(folder: string, name: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true })
}
