import { invariant } from '../../errors.ts'
import type { JobRow } from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import type { Session } from './session.ts'

interface StoredJob {
  readonly job: string
  readonly shape: string
  readonly code_version: string
  readonly sink_tables: string[]
  readonly cluster_id: string
}

/**
 * Reads the job's row and locks it. Where there is none yet, first claims are taken one after another: two processes
 * of one new job, and two new jobs with one table, would otherwise not see each other.
 */
export async function lockJob(session: Session, job: string): Promise<JobRow | null> {
  const found = await select(session, job, 'FOR UPDATE')
  if (found) return found
  await session.query(
    `LOCK TABLE ${ownTable(session, 'jobs')} IN SHARE ROW EXCLUSIVE MODE`,
    [],
    purposeOf(job),
  )
  return select(session, job, 'FOR UPDATE')
}

export function readJob(session: Session, job: string): Promise<JobRow | null> {
  return select(session, job, '')
}

async function select(session: Session, job: string, lock: 'FOR UPDATE' | ''): Promise<JobRow | null> {
  const { rows } = await session.query<StoredJob>(
    `SELECT job, shape, code_version, sink_tables, cluster_id FROM ${ownTable(session, 'jobs')}
     WHERE job = $1 ${lock}`,
    [job],
    purposeOf(job),
  )
  const [row] = rows
  if (!row) return null
  return {
    job: row.job,
    shape: row.shape,
    codeVersion: row.code_version,
    sinkTables: row.sink_tables,
    clusterId: row.cluster_id,
  }
}

export async function insertJob(session: Session, row: JobRow): Promise<void> {
  await session.query(
    `INSERT INTO ${ownTable(session, 'jobs')} (job, shape, code_version, sink_tables, cluster_id)
     VALUES ($1, $2, $3, $4, $5)`,
    [row.job, row.shape, row.codeVersion, [...row.sinkTables], row.clusterId],
    { scope: 'own', doing: `register job '${row.job}'` },
  )
}

export async function updateJob(session: Session, row: JobRow): Promise<void> {
  const { rowCount } = await session.query(
    `UPDATE ${ownTable(session, 'jobs')}
     SET shape = $2, code_version = $3, sink_tables = $4, updated_at = clock_timestamp() WHERE job = $1`,
    [row.job, row.shape, row.codeVersion, [...row.sinkTables]],
    { scope: 'own', doing: `update job '${row.job}'` },
  )
  invariant(rowCount === 1, `job '${row.job}' was to be updated but has no row`)
}

export async function findJobsWritingTo(
  session: Session,
  tables: readonly string[],
  job: string,
): Promise<{ job: string; table: string }[]> {
  const { rows } = await session.query<{ job: string; table: string }>(
    `SELECT j.job, t.name AS table FROM ${ownTable(session, 'jobs')} j, unnest(j.sink_tables) AS t(name)
     WHERE j.job <> $2 AND t.name = ANY ($1::text[]) ORDER BY 1, 2`,
    [[...tables], job],
    { scope: 'own', doing: 'look for other jobs with the same tables' },
  )
  return rows
}

function purposeOf(job: string) {
  return { scope: 'own', doing: `read job '${job}'` } as const
}
