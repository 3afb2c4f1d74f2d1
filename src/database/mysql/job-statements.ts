import { invariant } from '../../errors.ts'
import type { JobRow } from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import type { Session, TextRow } from './session.ts'

interface StoredJob extends TextRow {
  readonly job: string
  readonly shape: string
  readonly code_version: string
  readonly sink_tables: string
  readonly cluster_id: string
}

/**
 * Reads the job's row and locks it. Where there is none yet, first claims are taken one after another: two processes
 * of one new job, and two new jobs with one table, would otherwise not see each other. LOCK TABLES would commit, so
 * they meet at a row that is always there.
 */
export async function lockJob(session: Session, job: string): Promise<JobRow | null> {
  const found = await select(session, job, 'FOR UPDATE')
  if (found) return found
  await session.query(
    `SELECT version FROM ${ownTable(session, 'migrations')} WHERE version = 1 FOR UPDATE`,
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
     WHERE job = ? ${lock}`,
    [job],
    purposeOf(job),
  )
  const [row] = rows
  if (!row) return null
  return {
    job: row.job,
    shape: row.shape,
    codeVersion: row.code_version,
    sinkTables: tablesOf(row),
    clusterId: row.cluster_id,
  }
}

export async function insertJob(session: Session, row: JobRow): Promise<void> {
  await session.query(
    `INSERT INTO ${ownTable(session, 'jobs')} (job, shape, code_version, sink_tables, cluster_id)
     VALUES (?, ?, ?, ?, ?)`,
    [row.job, row.shape, row.codeVersion, JSON.stringify(row.sinkTables), row.clusterId],
    { scope: 'own', doing: `register job '${row.job}'` },
  )
}

export async function updateJob(session: Session, row: JobRow): Promise<void> {
  const { affectedRows } = await session.query(
    `UPDATE ${ownTable(session, 'jobs')}
     SET shape = ?, code_version = ?, sink_tables = ?, updated_at = utc_timestamp(6) WHERE job = ?`,
    [row.shape, row.codeVersion, JSON.stringify(row.sinkTables), row.job],
    { scope: 'own', doing: `update job '${row.job}'` },
  )
  invariant(affectedRows === 1, `job '${row.job}' was to be updated but has no row`)
}

/** Jobs are few: which tables they share is found here, name by name, as they are written. */
export async function findJobsWritingTo(
  session: Session,
  tables: readonly string[],
  job: string,
): Promise<{ job: string; table: string }[]> {
  const { rows } = await session.query<Pick<StoredJob, 'job' | 'sink_tables'>>(
    `SELECT job, sink_tables FROM ${ownTable(session, 'jobs')} WHERE job <> ? ORDER BY job`,
    [job],
    { scope: 'own', doing: 'look for other jobs with the same tables' },
  )
  const wanted = new Set(tables)
  return rows.flatMap((row) =>
    tablesOf(row)
      .filter((table) => wanted.has(table))
      .sort()
      .map((table) => ({ job: row.job, table })),
  )
}

function tablesOf({ sink_tables }: { readonly sink_tables: string }): string[] {
  return JSON.parse(sink_tables) as string[]
}

function purposeOf(job: string) {
  return { scope: 'own', doing: `read job '${job}'` } as const
}
