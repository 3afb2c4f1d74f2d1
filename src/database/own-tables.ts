import { OncesinkError } from '../errors.ts'
import type { Connection } from './dialect.ts'

/**
 * Whether oncesink's tables are there, for commands that only look at them. The start of a job, `oncesink migrate` and
 * `oncesink accept-loss` bring older ones up to date; who only looks does not.
 * @throws OncesinkError PREFLIGHT_FAILED when they lack migrations of this version; DATABASE_REFUSED when a newer
 *   oncesink has made them
 */
export async function hasOwnTables(connection: Connection): Promise<boolean> {
  const version = await connection.schemaVersion()
  if (version === 0) return false
  const pending = await connection.pendingMigrations()
  if (pending.length === 0) return true
  throw new OncesinkError(
    'PREFLIGHT_FAILED',
    `oncesink's tables in this ${connection.serverVersion} database have version ${version}, of an older oncesink, and ` +
      `lack ${pending.join(', ')}: run \`oncesink migrate <job file>\`, or start the job with this version, which does ` +
      'the same. Nothing that is stored is lost by it',
  )
}
