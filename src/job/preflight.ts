import type { Connection } from '../database/dialect.ts'
import { OncesinkError } from '../errors.ts'
import type { JobEventBus } from '../telemetry/events.ts'
import { checkConnections } from './check-connections.ts'
import { checkOwnTables, checkSinkTables } from './check-tables.ts'
import { createSinkTables } from './create-tables.ts'
import { type Finding, isProblem } from './finding.ts'
import type { Job } from './job.ts'

/**
 * What can be found before the first record is read: a server that takes writes, oncesink's own tables (created with
 * `migrate: 'auto'`), and every declared sink table fit for what the job will write.
 * @throws OncesinkError PREFLIGHT_FAILED with all problems and their cures; the database's errors
 */
export async function preflight(job: Job, connection: Connection, events: JobEventBus): Promise<void> {
  await requireWritable(connection)
  const own = await checkOwnTables(job, connection)
  if (job.migrate === 'auto' && !own.some(isProblem)) {
    await connection.migrate()
    await createSinkTables(job, connection)
  }
  const findings = [
    ...own,
    ...(await checkSinkTables(job, connection)),
    ...(await checkConnections(job, connection)),
  ]
  for (const { status, message } of findings) if (status === 'warning') events.emit('warning', { message })
  refuse(job, connection, findings.filter(isProblem))
}

/** @throws OncesinkError DATABASE_UNAVAILABLE: after a failover the next connection may find the new primary */
export async function requireWritable(connection: Connection): Promise<void> {
  if (await connection.isWritable()) return
  throw new OncesinkError(
    'DATABASE_UNAVAILABLE',
    `${connection.serverVersion} takes no writes (a replica, or read-only); connect to the primary`,
  )
}

function refuse(job: Job, connection: Connection, problems: readonly Finding[]): void {
  if (problems.length === 0) return
  throw new OncesinkError(
    'PREFLIGHT_FAILED',
    `job '${job.name}' cannot run against ${connection.serverVersion} as it is:\n${problems.map(({ message }) => `  - ${message}`).join('\n')}`,
  )
}
