import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Connection, Dialect, JobRow, StartRow, Transaction } from '../../src/database/dialect.ts'
import { createPostgresDialect } from '../../src/database/postgres/dialect.ts'
import { type PostgresOptions, type PostgresPlan, postgres } from '../../src/database/postgres/options.ts'
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts'
import { eventually } from './eventually.ts'
import { postgresService } from './postgres-service.ts'

/**
 * A schema of a unique name for one test file: oncesink's tables and the test's own live in it. Gone after drop().
 */
export class PostgresFixture {
  readonly schema = `oncesink_test_${randomUUID().slice(0, 8)}`
  readonly plan: PostgresPlan
  /** A plain client beside everything, in autocommit, whose search_path is the schema. */
  readonly admin: pg.Client
  readonly #opened: Connection[] = []

  constructor(options: Partial<PostgresOptions> = {}) {
    this.plan = postgres({ connectionString: postgresService().url, schema: this.schema, ...options })
    this.admin = new pg.Client({
      connectionString: postgresService().url,
      application_name: 'oncesink tests',
    })
  }

  /** Creates the schema and oncesink's tables. */
  async open(): Promise<void> {
    await this.admin.connect()
    await this.admin.query(`CREATE SCHEMA ${this.schema}`)
    await this.admin.query(`SET search_path = ${this.schema}`)
    const connection = await this.connect()
    await connection.migrate()
    await connection.close()
  }

  async drop(): Promise<void> {
    for (const connection of this.#opened) connection.destroy()
    // A test that failed half-way may have left a session that holds locks.
    await this.admin.query(
      `SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
       WHERE c.relnamespace = $1::regnamespace AND l.pid <> pg_backend_pid()`,
      [this.schema],
    )
    await this.admin.query(`DROP SCHEMA IF EXISTS ${this.schema} CASCADE`)
    await this.admin.end()
  }

  dialect(plan: PostgresPlan = this.plan, runtime: Runtime = systemRuntime): Dialect {
    return createPostgresDialect(plan, runtime)
  }

  /** A connection of `job`, closed by drop() at the latest. */
  async connect(job = 'job', runtime: Runtime = systemRuntime, owner = 'test'): Promise<Connection> {
    const connection = await this.dialect(this.plan, runtime).connect({ job, owner })
    this.#opened.push(connection)
    return connection
  }

  /** A table of the test in the schema; returns its qualified name. */
  async table(name: string, columns: string): Promise<string> {
    await this.admin.query(`CREATE TABLE ${this.schema}.${name} (${columns})`)
    return `${this.schema}.${name}`
  }

  /** Resolves when the server says that `blocked` waits for a lock. */
  async untilBlocked(blocked: Connection): Promise<void> {
    await eventually(async () => {
      const [row] = await this.rows<{ blockers: number[] }>('SELECT pg_blocking_pids($1) AS blockers', [
        blocked.backend.id,
      ])
      return row !== undefined && row.blockers.length > 0
    })
  }

  async rows<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.admin.query<Row>(sql, values)).rows
  }
}

export function jobRow(job: string, sinkTables: readonly string[] = []): JobRow {
  return { job, shape: '{}', codeVersion: '1', sinkTables, clusterId: 'cluster' }
}

/** Registers a job with one topic and claims all its partitions; returns the claim id. */
export async function claimTopic(
  connection: Connection,
  job: string,
  topic: string,
  partitions: number,
): Promise<string> {
  const claimId = randomUUID()
  await inTransaction(connection, 'claim', async (trx) => {
    if (!(await trx.lockJob(job))) await trx.insertJob(jobRow(job))
    await trx.upsertTopic(job, { topic, topicId: `${topic}-id`, knownPartitions: partitions })
    const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    await trx.insertStarts(
      job,
      all.map((tp): StartRow => ({ ...tp, nextOffset: 0n, reason: 'earliest' })),
    )
    await trx.lockPositions(job, all)
    await trx.claimPositions(
      job,
      all.map((tp) => ({ ...tp, claimId, owner: 'test' })),
    )
  })
  return claimId
}

/** Runs `work` in a transaction and commits; rolls back and rethrows when it fails. */
export async function inTransaction<T>(
  connection: Connection,
  kind: 'claim' | 'batch' | 'snapshot',
  work: (trx: Transaction) => Promise<T>,
): Promise<T> {
  const trx = await connection.begin(kind)
  try {
    const result = await work(trx)
    const committed = await trx.commit()
    if (committed.kind !== 'committed') throw committed.error
    return result
  } catch (error) {
    await trx.rollback()
    throw error
  }
}
