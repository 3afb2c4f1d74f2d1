import type { Connection } from '../database/dialect.ts'
import { declaredTable } from '../sink/declare-table.ts'
import type { Job } from './job.ts'

/** Creates the tables of sinks with `createTable` that do not exist; those that do stay as they are. Returns names. */
export async function createSinkTables(job: Job, connection: Connection): Promise<string[]> {
  const created: string[] = []
  for (const pipeline of job.pipelines) {
    const declaration = declaredTable(pipeline)
    if (!declaration || (await connection.describeTable(declaration.table))) continue
    await connection.createTable(declaration)
    created.push(declaration.table)
  }
  return created
}
