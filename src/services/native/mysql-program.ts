import { cannotStart, mysqlName } from '../provider.ts'
import { onPath } from './commands.ts'
import { debianMysql } from './mysql-debian.ts'
import { type MysqlProgram, mysqldVersion, mysqlServer, type Refused } from './mysqld.ts'

/** The oldest MySQL that oncesink works with. */
const oldestMajor = 8

/** Where distributions put servers, which is not on everybody's PATH. */
const serverFolders = ['/usr/sbin', '/usr/local/sbin', '/usr/local/mysql/bin']

/**
 * The MySQL of this machine: `mysqld` where it is installed, else what Debian has, fetched once into the cache folder.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export async function mysqlProgram(
  onProgress?: (message: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<MysqlProgram> {
  const installed = await installedMysql(env)
  if (!('refused' in installed)) return installed
  const fetched = await debianMysql(onProgress, env)
  if (!('refused' in fetched)) return fetched
  throw cannotStart(mysqlName, `${installed.refused}, and ${fetched.refused}`)
}

/** `mysqld` of this machine, if it is MySQL and new enough. MariaDB's packages call theirs by that name too. */
export async function installedMysql(
  env: NodeJS.ProcessEnv,
  folders: readonly string[] = serverFolders,
): Promise<MysqlProgram | Refused> {
  const command = onPath('mysqld', env, folders)
  if (!command) return { refused: 'there is no mysqld on the PATH' }
  const found = await mysqldVersion(command)
  if ('refused' in found) return found
  if (found.isMariadb) return { refused: `${command} is MariaDB ${found.version}` }
  if (found.major < oldestMajor) return { refused: `${command} is MySQL ${found.version}, too old` }
  return mysqlServer(found.version, command, [])
}
