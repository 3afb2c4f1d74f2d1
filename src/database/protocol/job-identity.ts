import { OncesinkError } from '../../errors.ts'
import { describeShapeChange } from '../../job/shape.ts'
import type { Connection, JobRow, Transaction } from '../dialect.ts'

export interface JobIdentity extends JobRow {
  /** Set by `--accept-shape-change`: a changed shape replaces the stored one instead of being refused. */
  readonly acceptShapeChange: boolean
}

/**
 * Reads the job's row under its lock, or writes it. Every claim of the job passes here, so that a rolling
 * deployment cannot mix two shapes, and two jobs cannot write one table.
 * @returns whether the job had been there before
 * @throws OncesinkError JOB_IDENTITY_CONFLICT
 */
export async function confirmIdentity(trx: Transaction, identity: JobIdentity): Promise<boolean> {
  const stored = await trx.lockJob(identity.job)
  const [conflict] = await identityConflicts(trx, stored, identity)
  if (conflict) throw conflict
  if (!stored) await trx.insertJob(identity)
  else if (
    stored.shape !== identity.shape ||
    stored.codeVersion !== identity.codeVersion ||
    !sameTables(stored, identity)
  )
    await trx.updateJob(identity)
  return stored !== null
}

/** Every JOB_IDENTITY_CONFLICT between what is stored and what the job says of itself. Changes nothing. */
export async function identityConflicts(
  trx: Transaction,
  stored: JobRow | null,
  identity: JobIdentity,
): Promise<OncesinkError[]> {
  const own = stored ? conflictsWith(stored, identity) : []
  const [foreign] = await trx.findJobsWritingTo(identity.sinkTables, identity.job)
  if (!foreign) return own
  return [
    ...own,
    conflict(
      `table '${foreign.table}' is written by job '${foreign.job}'; job '${identity.job}' would add its own rows to it. ` +
        `If this is the same job under a new name, run it as '${foreign.job}'; otherwise give it a table of its own.`,
    ),
  ]
}

function conflictsWith(stored: JobRow, identity: JobIdentity): OncesinkError[] {
  const conflicts: OncesinkError[] = []
  if (stored.clusterId !== identity.clusterId) {
    conflicts.push(
      conflict(
        `job '${identity.job}' has its positions in Kafka cluster ${stored.clusterId}, but these brokers belong to ` +
          `cluster ${identity.clusterId}. Offsets of one cluster mean nothing in another: correct the brokers, or give the job another name.`,
      ),
    )
  }
  if (stored.shape !== identity.shape && !identity.acceptShapeChange) {
    conflicts.push(
      conflict(
        `job '${identity.job}' has another shape than the one its table was filled with:\n` +
          `${describeShapeChange(stored.shape, identity.shape)}\n` +
          'Rows of both shapes would be added up. Give the job another name and table, or run once with --accept-shape-change if the existing rows are right as they are.',
      ),
    )
  }
  if (!sameTables(stored, identity) && !identity.acceptShapeChange) {
    conflicts.push(
      conflict(
        `job '${identity.job}' has written to ${stored.sinkTables.join(', ')}, and would now write to ` +
          `${identity.sinkTables.join(', ')}: another schema is searched first, or a table was replaced. Name the table with ` +
          'its schema in the sink, or run once with --accept-shape-change if the new tables go on where the old ones ended.',
      ),
    )
  }
  return conflicts
}

function conflict(message: string): OncesinkError {
  return new OncesinkError('JOB_IDENTITY_CONFLICT', message)
}

/** Names as the database knows them, so that `orders` and `public.orders` are one table. */
export async function qualifiedTables(connection: Connection, tables: readonly string[]): Promise<string[]> {
  const names: string[] = []
  for (const table of tables) names.push((await connection.describeTable(table))?.qualifiedName ?? table)
  return names
}

function sameTables(a: JobRow, b: JobRow): boolean {
  return [...a.sinkTables].sort().join('\n') === [...b.sinkTables].sort().join('\n')
}
