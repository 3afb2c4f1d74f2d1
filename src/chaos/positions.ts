import { runStatements } from '../services/index.ts'
import type { World } from './world.ts'

/** The stored positions by `topic/partition`, past the proxy and the job's code. */
export async function positionsOf({ database, job }: World): Promise<Map<string, number>> {
  const part = database.engine === 'postgres' ? '"partition"' : '`partition`'
  const rows = await runStatements(
    database.engine,
    database.url,
    `SELECT job, topic, ${part} AS partition_no, next_offset FROM ${database.own('oncesink_offsets')}`,
  )
  return new Map(
    rows
      .filter((row) => row.job === job.name)
      .map((row) => [`${String(row.topic)}/${String(row.partition_no)}`, Number(row.next_offset)]),
  )
}
