import type { Connection } from '../database/dialect.ts'
import { OncesinkError } from '../errors.ts'
import { checkSinkTable } from '../sink/check-table.ts'
import type { JobEventBus } from '../telemetry/events.ts'
import type { Job } from './job.ts'

/**
 * What can be found before the first record is read: a server that takes writes, oncesink's own tables (migrated if
 * need be), and every declared sink table fit for what the job will write.
 * @throws OncesinkError PREFLIGHT_FAILED with all problems and their cures; the database's errors
 */
export async function preflight(job: Job, connection: Connection, events: JobEventBus): Promise<void> {
  if (!(await connection.isWritable())) {
    throw new OncesinkError(
      'DATABASE_UNAVAILABLE',
      `${connection.serverVersion} takes no writes (a replica, or read-only); connect to the primary`,
    )
  }
  await connection.migrate()
  const problems: string[] = []
  for (const pipeline of job.pipelines) {
    if (!('table' in pipeline.sink)) continue
    const table = await connection.describeTable(pipeline.sink.table)
    problems.push(...checkSinkTable(pipeline, table))
    for (const message of table?.warnings ?? []) events.emit('warning', { message })
  }
  if (problems.length === 0) return
  throw new OncesinkError(
    'PREFLIGHT_FAILED',
    `job '${job.name}' cannot run against ${connection.serverVersion} as it is:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
  )
}
