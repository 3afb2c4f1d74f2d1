import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { postgres } from '../../src/database/postgres/options.ts'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { oncesink } from '../support/job-process.ts'
import { createRole } from '../support/postgres-role.ts'
import type { TestDatabase } from '../support/postgres-service.ts'
import { createDatabase } from '../support/postgres-service.ts'
import {
  type Bench,
  drain,
  Gate,
  observe,
  openBench,
  startFailure,
  withFaults,
} from '../support/running-job.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** A job file for the bench's database and topic. */
async function jobFile(bench: Bench, options: { url?: string; schema?: string } = {}): Promise<string> {
  const path = join(await temporaryFolder(), 'job.ts')
  const { url = bench.database.url, schema } = options
  const database = { connectionString: url, ...(schema === undefined ? {} : { schema }) }
  await writeFile(
    path,
    `import { append, defineJob, from, json, kafka, postgres } from 'oncesink'
     export default defineJob({
       name: ${JSON.stringify(bench.name)},
       database: postgres(${JSON.stringify(database)}),
       pipeline: from(kafka({ brokers: ${JSON.stringify(bench.brokers)}, topics: [${JSON.stringify(bench.topic)}] }))
         .decode(json<{ k: string; v: number }>())
         .map(({ v }) => ({ v }))
         .into(append({ table: 'seen', meta: { partition: 'partition', offset: 'log_offset' } })),
     })`,
  )
  return path
}

async function schemas({ knex }: TestDatabase): Promise<string[]> {
  const { rows } = await knex.raw<{ rows: { nspname: string }[] }>(
    "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('public', 'information_schema')",
  )
  return rows.map(({ nspname }) => nspname)
}

/** Everything that the catalog says of the tables in `schema`, without names of the schema itself. */
async function catalogOf({ knex }: TestDatabase, schema: string): Promise<unknown> {
  const { rows } = await knex.raw<{ rows: unknown[] }>(
    `SELECT c.relname, c.relkind, c.reloptions,
       (SELECT json_agg(json_build_array(attname, format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation,
          pg_get_expr(adbin, adrelid)) ORDER BY attnum)
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = c.oid AND attnum > 0) AS columns,
       (SELECT json_agg(replace(pg_get_constraintdef(k.oid), ?, '') ORDER BY conname) FROM pg_constraint k
        WHERE conrelid = c.oid) AS constraints,
       CASE WHEN c.relkind = 'i' THEN replace(pg_get_indexdef(c.oid), ?, '') END AS index
     FROM pg_class c WHERE c.relnamespace = ?::regnamespace AND c.relkind IN ('r', 'i') ORDER BY c.relname`,
    [`${schema}.`, `${schema}.`, schema],
  )
  return rows
}

describe("migrate: 'check'", () => {
  test('sends no DDL, and fails with what is missing and the command that creates it', async () => {
    const bench = await openBench('check')
    const error = await startFailure(bench.job({ migrate: 'check' }))
    expect(error).toMatchObject({
      code: 'PREFLIGHT_FAILED',
      message: expect.stringMatching(
        /lack 0001_commit_protocol.*run `oncesink migrate <job file>`.*--print-sql/,
      ),
    })
    expect(await schemas(bench.database)).toEqual([])
  })

  test('runs once `oncesink migrate` was there, which says what it did and does it once', async () => {
    const bench = await openBench('check-then-run')
    await bench.produce(10)
    const file = await jobFile(bench)
    const first = await oncesink(['migrate', file])
    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^applied 0001_commit_protocol\n.*tables have version \d+ \(PostgreSQL/s),
    })
    const second = await oncesink(['migrate', file, '--format', 'json'])
    expect(JSON.parse(second.stdout)).toMatchObject({ applied: [], version: expect.any(Number) })
    await drain(bench.job({ migrate: 'check' }))
    expect(await bench.actual()).toEqual(bench.expected())
  })
})

describe('migrate --print-sql', () => {
  test('prints, without connecting, what makes the same tables as migrate, and may be applied twice', async () => {
    const bench = await openBench('print-sql')
    const [printed, migrated] = await Promise.all([createDatabase('printed'), createDatabase('migrated')])
    const unreachable = await jobFile(bench, { url: 'postgres://nobody@127.0.0.1:1/none' })
    const sql = await oncesink(['migrate', unreachable, '--print-sql'])
    expect(sql.code).toBe(0)
    expect(sql.stdout).toMatch(/^-- oncesink's own tables, for PostgreSQL.*\n-- Apply it with: psql/)
    await printed.knex.raw(sql.stdout)
    await printed.knex.raw(sql.stdout)
    const file = await jobFile(bench, { url: migrated.url })
    expect(await oncesink(['migrate', file])).toMatchObject({ code: 0 })
    const [a, b] = await Promise.all([catalogOf(printed, 'oncesink'), catalogOf(migrated, 'oncesink')])
    expect(a).toEqual(b)
    expect(a).not.toEqual([])
    // A database that was made by the script is one that migrate takes for its own.
    const again = await jobFile(bench, { url: printed.url })
    expect(await oncesink(['migrate', again])).toMatchObject({
      code: 0,
      stdout: expect.not.stringContaining('applied'),
    })
  })

  test('names the schema exactly, whatever is in its name', async () => {
    const bench = await openBench('print-odd')
    const schema = 'It\'s "odd" \\ $x$ Schema.y'
    const { code, stdout } = await oncesink(['migrate', await jobFile(bench, { schema }), '--print-sql'])
    expect(code).toBe(0)
    await bench.database.knex.raw(stdout)
    expect(await schemas(bench.database)).toEqual([schema])
  })
})

describe('a role with rights on rows only', () => {
  /** The statements of docs/operations.md, for `role` and `table`. */
  async function documentedGrants(role: string, table: string): Promise<string> {
    const text = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
    const [, sql] = /### PostgreSQL.*?```sql\n(.*?)```/s.exec(text) ?? []
    expect(sql).toMatch(/^GRANT USAGE/)
    return (sql ?? '').replaceAll('my_job', role).replaceAll('orders_by_item', table)
  }

  test('runs, takes over from a stopped owner of the same role and resumes with the documented grants', async () => {
    const bench = await openBench('rows-only')
    await bench.produce(20)
    expect(await oncesink(['migrate', await jobFile(bench)])).toMatchObject({ code: 0 })
    const { role, url } = await createRole(bench.database)
    await bench.database.knex.raw('REVOKE ALL ON SCHEMA public FROM public')
    await bench.database.knex.raw(`GRANT USAGE ON SCHEMA public TO ${role}`)
    await bench.database.knex.raw(await documentedGrants(role, 'totals, seen'))
    for (const migrate of ['auto', 'check'] as const) {
      await drain(bench.job({ url, migrate }))
      await bench.produce(20)
    }
    await bench.produce(20)
    const gate = new Gate()
    const reach = (point: FaultPoint) => (point === 'transaction.advanced' ? gate.pass() : undefined)
    const alone = { assignment: 'all' } as const
    const stopped = await observe(bench.job({ url, source: alone }), { runtime: withFaults(reach) })
    await gate.reached
    const { heard } = await observe(bench.job({ url, source: alone }))
    await bench.untilCommitted()
    expect(heard.blockerEnded).toHaveLength(1)
    expect(heard.warning).toEqual([])
    gate.open()
    expect(await stopped.failure()).toMatchObject({ code: 'OWNERSHIP_LOST' })
    expect(await bench.actual()).toEqual(bench.expected())
    const { rows } = await bench.database.knex.raw<{ rows: object[] }>(
      `SELECT rolsuper, rolcreatedb, has_database_privilege(rolname, current_database(), 'CREATE') AS creates,
         pg_has_role(rolname, 'pg_signal_backend', 'MEMBER') AS signals FROM pg_roles WHERE rolname = ?`,
      [role],
    )
    expect(rows).toEqual([{ rolsuper: false, rolcreatedb: false, creates: false, signals: false }])
  })

  test('is told which grants it lacks, and that it may not create: before anything is claimed', async () => {
    const bench = await openBench('lacking')
    const { role, url } = await createRole(bench.database)
    await bench.database.knex.raw(`GRANT SELECT, INSERT, UPDATE ON totals, seen TO ${role}`)
    const absent = await startFailure(bench.job({ url }))
    expect(absent).toMatchObject({
      code: 'PREFLIGHT_FAILED',
      message: expect.stringMatching(
        /may not create oncesink's tables \(0001_.*\): GRANT CREATE ON DATABASE .* TO .*, or run `oncesink migrate/,
      ),
    })
    expect(await oncesink(['migrate', await jobFile(bench)])).toMatchObject({ code: 0 })
    const unused = await startFailure(bench.job({ url }))
    expect(unused.message).toContain(`GRANT USAGE ON SCHEMA "oncesink" TO "${role}"`)
    expect(unused.message).toContain(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON "oncesink"."oncesink_offsets" TO "${role}"`,
    )
    // What the message says is what mends it.
    const grants = [...unused.message.matchAll(/GRANT [^;\n]+/g)].map(([grant]) => grant)
    for (const grant of grants) await bench.database.knex.raw(grant)
    await drain(bench.job({ url }))
  })

  test('learns from migrate itself who may do it', async () => {
    const bench = await openBench('may-not-migrate')
    const { url } = await createRole(bench.database)
    expect(await oncesink(['migrate', await jobFile(bench, { url })])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /create schema .*42501.*Grant the privilege.*`oncesink migrate` once as a role/,
      ),
    })
  })
})

describe('the schema of its own tables', () => {
  test.each(['UPPER', 'with "quotes"', "it's", 'dots.and spaces', 'ünï-$chema'])(
    'may be called %s',
    async (schema) => {
      const bench = await openBench('odd-schema')
      await bench.produce(10)
      const database = postgres({ connectionString: bench.database.url, schema })
      await drain(bench.job({ database }))
      await bench.produce(10)
      await drain(bench.job({ database, migrate: 'check' }))
      expect(await schemas(bench.database)).toEqual([schema])
      const { totals, seen } = bench.expected()
      expect({ totals: await bench.totals(), seen: await bench.seen() }).toEqual({ totals, seen })
    },
  )
})
