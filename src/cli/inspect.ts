import type { Connection, PositionRow } from '../database/dialect.ts'
import { inSnapshot } from '../database/in-snapshot.ts'
import { hasOwnTables } from '../database/own-tables.ts'
import { OncesinkError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import type { Source } from '../source/source.ts'
import { EventBus, type JobEvents } from '../telemetry/events.ts'
import { createDialect, createSource } from '../wire.ts'

/** What the read-only commands look at. */
export interface Inspection {
  readonly connection: Connection
  readonly source: Source
  /** Stored positions in partition order; empty when the job has never run here. */
  readonly positions: readonly PositionRow[]
}

/** Opens source and database for looking only, and closes both. Claims nothing, writes nothing. */
export async function inspect<T>(job: Job, look: (inspection: Inspection) => Promise<T>): Promise<T> {
  const source = createSource(job, systemRuntime, new EventBus<JobEvents>())
  const connection = await createDialect(job, systemRuntime).connect({ job: job.name, owner: 'inspect' })
  try {
    await source.open()
    const positions = await readPositions(job, connection)
    return await look({ connection, source, positions })
  } finally {
    await source.close()
    await connection.close()
  }
}

/** @throws OncesinkError CONFIGURATION_INVALID when the job has no positions in this database */
export function requireStarted(job: Job, { positions, connection }: Inspection): void {
  if (positions.length > 0) return
  throw new OncesinkError(
    'CONFIGURATION_INVALID',
    `job '${job.name}' has no positions in this ${connection.serverVersion} database: it has never run here, or under another name or schema`,
  )
}

async function readPositions(job: Job, connection: Connection): Promise<readonly PositionRow[]> {
  if (!(await hasOwnTables(connection))) return []
  return inSnapshot(connection, (trx) => trx.readPositions(job.name))
}
