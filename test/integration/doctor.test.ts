import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createPostgresDialect } from '../../src/database/postgres/dialect.ts'
import { type PostgresPlan, postgres } from '../../src/database/postgres/options.ts'
import { count } from '../../src/index.ts'
import { diagnose } from '../../src/job/doctor.ts'
import type { Finding } from '../../src/job/finding.ts'
import type { Job } from '../../src/job/job.ts'
import type { Stream } from '../../src/pipeline/stream.ts'
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts'
import { freePort } from '../../src/services/native/free-ports.ts'
import { merge } from '../../src/sink/merge.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { createSource } from '../../src/wire.ts'
import { oncesink } from '../support/job-process.ts'
import { deleteRecordsBelow } from '../support/kafka-admin.ts'
import { createRole } from '../support/postgres-role.ts'
import { type Bench, drain, type Order, observe, openBench } from '../support/running-job.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { uniqueName } from '../support/unique.ts'

async function examined(
  job: Job,
  deps: { runtime?: Runtime; nodeVersion?: string } = {},
): Promise<Finding[]> {
  const { runtime = systemRuntime } = deps
  const dialect = createPostgresDialect(job.database as PostgresPlan, runtime)
  const source = createSource(job, runtime, new EventBus<JobEvents>())
  const findings: Finding[] = []
  for await (const finding of diagnose(job, { ...deps, dialect, source, runtime })) findings.push(finding)
  return findings
}

/** `check: message` of every finding that is not ok. */
function complaints(findings: readonly Finding[]): string[] {
  return findings
    .filter(({ status }) => status !== 'ok')
    .map(({ check, status, message }) => `${status} ${check}: ${message}`)
}

async function jobFile(bench: Bench, url = bench.database.url, brokers = bench.brokers): Promise<string> {
  const path = join(await temporaryFolder(), 'job.ts')
  await writeFile(
    path,
    `import { count, defineJob, from, json, kafka, merge, postgres, sum } from 'oncesink'
     export default defineJob({
       name: ${JSON.stringify(bench.name)},
       database: postgres({ connectionString: ${JSON.stringify(url)} }),
       pipeline: from(kafka({ brokers: ${JSON.stringify(brokers)}, topics: [${JSON.stringify(bench.topic)}] }))
         .decode(json<{ k: string; v: number }>())
         .groupBy({ k: (o) => o.k }).aggregate({ n: count(), total: sum((o) => o.v) })
         .into(merge({ table: 'totals' })),
     })`,
  )
  return path
}

async function tablesOf(bench: Bench): Promise<string[]> {
  const { rows } = await bench.database.knex.raw<{ rows: { name: string }[] }>(
    `SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('public', 'oncesink') ORDER BY 1`,
  )
  return rows.map(({ name }) => name)
}

const url = (bench: Bench, change: (url: URL) => void) => {
  const changed = new URL(bench.database.url)
  change(changed)
  return changed.href
}

describe('a job that can run', () => {
  test('has no complaint before its first start and after it, and is not touched', async () => {
    const bench = await openBench('healthy')
    const before = await tablesOf(bench)
    const first = await examined(bench.job())
    expect(complaints(first)).toEqual([])
    expect(first.map(({ check }) => check)).toEqual([
      'Node.js',
      'brokers',
      `topic ${bench.topic}`,
      'database',
      'writable',
      "oncesink's tables",
      'sink table totals',
      'sink table seen',
      'clock',
      'owner',
      'identity',
      'positions',
      'reading',
    ])
    expect(await tablesOf(bench)).toEqual(before)
    await bench.produce(10)
    await drain(bench.job())
    const positions = await bench.positions()
    await bench.produce(10)
    const second = await examined(bench.job())
    expect(complaints(second)).toEqual([])
    expect(second.find(({ check }) => check === 'positions')?.message).toContain('continues all 2 stored')
    expect(second.find(({ check }) => check === 'reading')?.message).toBe('records can be fetched')
    expect(await bench.positions()).toEqual(positions)
  })

  test('that runs elsewhere is a warning, and goes on running', async () => {
    const bench = await openBench('running')
    await bench.produce(10)
    const { running } = await observe(bench.job())
    await bench.untilCommitted()
    expect(complaints(await examined(bench.job()))).toEqual([
      expect.stringMatching(
        new RegExp(`^warning owner: process .*:${process.pid} runs this job: .*exit code 3`),
      ),
    ])
    await bench.produce(10)
    await bench.untilCommitted()
    expect(running.state).toBe('running')
  })
})

describe('what is wrong is found, with what to do', () => {
  test('on both sides at once: brokers that do not answer do not hide a wrong password', async () => {
    const bench = await openBench('both')
    const brokers = [`127.0.0.1:${await freePort()}`]
    const wrong = url(bench, (u) => {
      u.password = 'wrong'
    })
    const found = complaints(await examined(bench.job({ url: wrong, source: { brokers } })))
    expect(found).toEqual([
      expect.stringMatching(/^problem brokers: .*check that they run/s),
      expect.stringMatching(/^problem database: .*28P01.*Check user and password/),
    ])
  })

  test('a database that is missing does not hide a topic that is', async () => {
    const bench = await openBench('missing')
    const topic = uniqueName('no_such_topic')
    const absent = url(bench, (u) => {
      u.pathname = '/no_such_database'
    })
    const found = complaints(await examined(bench.job({ url: absent, source: { topics: [topic] } })))
    expect(found).toEqual([
      expect.stringMatching(new RegExp(`^problem topics: .*${topic}`)),
      expect.stringMatching(/^problem database: .*3D000.*Create the database/),
    ])
  })

  test('tables: missing, unfit, and with a trigger', async () => {
    const bench = await openBench('unfit', {
      tables: `CREATE TABLE totals (k text, n int);
        CREATE TABLE seen (partition int NOT NULL, log_offset bigint NOT NULL, v bigint NOT NULL);
        CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER watched BEFORE INSERT ON seen FOR EACH ROW EXECUTE FUNCTION noop();`,
    })
    const found = complaints(await examined(bench.job({ migrate: 'check' })))
    expect(found).toEqual([
      expect.stringMatching(/^problem oncesink's tables: .*lack 0001.*oncesink migrate/),
      expect.stringMatching(/^problem sink table totals: .*no column 'total'/),
      expect.stringMatching(/^problem sink table totals: .*key column 'k' may be NULL/),
      expect.stringMatching(/^problem sink table totals: .*ADD PRIMARY KEY \(k\)/),
      expect.stringMatching(/^warning sink table seen: trigger watched/),
    ])
  })

  test('rights: on rows, and to create', async () => {
    const bench = await openBench('rights')
    const { role, url: limited } = await createRole(bench.database)
    const found = complaints(await examined(bench.job({ url: limited })))
    expect(found).toEqual([
      expect.stringMatching(
        new RegExp(`^problem oncesink's tables: .*GRANT CREATE ON DATABASE .* TO "${role}"`),
      ),
      expect.stringMatching(/^problem sink table totals: .*GRANT SELECT, INSERT, UPDATE/),
      expect.stringMatching(/^problem sink table seen: .*GRANT INSERT/),
    ])
  })

  test('a database that is read-only', async () => {
    const bench = await openBench('readonly')
    const { knex, name } = bench.database
    await knex.raw('ALTER DATABASE ?? SET default_transaction_read_only = on', [name])
    expect(complaints(await examined(bench.job()))).toEqual([
      expect.stringMatching(/^problem writable: .*takes no writes.*connect to the primary/),
    ])
    await knex.raw('ALTER DATABASE ?? RESET default_transaction_read_only', [name])
  })

  test('another shape, and a table of another job', async () => {
    const bench = await openBench('shapes')
    await bench.produce(10)
    await drain(bench.job())
    const counted = (orders: Stream<Order>) =>
      orders
        .groupBy({ k: ({ k }) => k })
        .aggregate({ n: count() })
        .into(merge({ table: 'totals' }))
    const shape = complaints(await examined(bench.job({ pipelines: counted })))
    expect(shape).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^problem identity: .*another shape.*--accept-shape-change/s),
      ]),
    )
    expect(complaints(await examined(bench.job({ name: `${bench.name} renamed` })))).toEqual([
      expect.stringMatching(new RegExp(`^problem identity: table .* is written by job '${bench.name}'`)),
    ])
  })

  test('positions that the log does not continue any more', async () => {
    const bench = await openBench('retention', { partitions: 1 })
    await bench.produce(10)
    await drain(bench.job())
    await bench.produce(10)
    await deleteRecordsBelow(bench.topic, 15)
    expect(complaints(await examined(bench.job()))).toEqual([
      expect.stringMatching(/^problem positions: .*10/s),
    ])
  })

  test('clocks that differ, and a Node.js that is too old', async () => {
    const bench = await openBench('clocks')
    const clock = { ...systemRuntime.clock, wallMs: () => systemRuntime.clock.wallMs() + 60_000 }
    const runtime = { ...systemRuntime, clock }
    expect(complaints(await examined(bench.job(), { runtime, nodeVersion: '20.18.3' }))).toEqual([
      expect.stringMatching(/^problem Node\.js: this is Node\.js 20\.18\.3: oncesink needs 20\.19 or newer/),
      expect.stringMatching(/^warning clock: this machine's clock is (59|60) s ahead of the database's/),
    ])
    clock.wallMs = () => systemRuntime.clock.wallMs() - 60_000
    expect(complaints(await examined(bench.job(), { runtime }))).toEqual([
      expect.stringMatching(/^warning clock: this machine's clock is 60 s behind/),
    ])
  })

  test('a password function that fails', async () => {
    const bench = await openBench('password')
    const database = postgres({ host: 'localhost', password: () => Promise.reject(new Error('no token')) })
    expect(complaints(await examined(bench.job({ database })))).toEqual([
      expect.stringMatching(/^problem database: .*password function failed: no token/),
    ])
  })
})

describe('oncesink doctor', () => {
  test('prints one line per check and exits with 0; with --format json an array', async () => {
    const bench = await openBench('cli')
    const table = await oncesink(['doctor', await jobFile(bench)])
    expect(table).toMatchObject({ code: 0 })
    expect(table.stdout).toMatch(/^ok {7}job file: defines job '.*'\nok {7}Node\.js: \d/)
    const json = await oncesink(['doctor', await jobFile(bench), '--format', 'json'])
    const findings = JSON.parse(json.stdout) as Finding[]
    expect(findings.map(({ status }) => status)).toEqual(findings.map(() => 'ok'))
    expect(findings).toHaveLength(table.stdout.trimEnd().split('\n').length)
  })

  test('exits with 1 for a problem outside, and with 2 for a job file that is none', async () => {
    const bench = await openBench('cli-problem')
    await bench.database.knex.raw('DROP TABLE totals')
    const broken = await oncesink(['doctor', await jobFile(bench)])
    expect(broken).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/\nproblem {2}sink table totals: table totals does not exist.*create it/),
    })
    const empty = join(await temporaryFolder(), 'job.ts')
    await writeFile(empty, 'export const job = 1')
    const none = await oncesink(['doctor', empty])
    expect(none).toMatchObject({
      code: 2,
      stdout: expect.stringMatching(/^problem {2}job file: .*has no default export, and no job.*defineJob/),
    })
  })
})
