import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { postgres } from '../../src/database/postgres/options.ts'
import { count } from '../../src/index.ts'
import type { Finding } from '../../src/job/finding.ts'
import type { Stream } from '../../src/pipeline/stream.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { freePort } from '../../src/services/native/free-ports.ts'
import { append } from '../../src/sink/append.ts'
import { merge } from '../../src/sink/merge.ts'
import { complaints, examined } from '../support/doctor.ts'
import { onEveryEngine, type TestDatabase } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { oncesink } from '../support/job-process.ts'
import { deleteRecordsBelow, kafkaAdmin, produceAfresh } from '../support/kafka-admin.ts'
import { createRole } from '../support/postgres-role.ts'
import { type Bench, drain, type Order, observe, openBench } from '../support/running-job.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { uniqueName } from '../support/unique.ts'

async function jobFile(
  { name, brokers, topic, database: { url } }: Bench,
  table = 'totals',
): Promise<string> {
  const path = join(await temporaryFolder(), 'job.ts')
  await writeFile(
    path,
    `import { count, defineJob, from, json, kafka, merge, postgres, sum } from 'oncesink'
     export default defineJob({
       name: ${JSON.stringify(name)},
       database: postgres({ connectionString: ${JSON.stringify(url)} }),
       pipeline: from(kafka({ brokers: ${JSON.stringify(brokers)}, topics: [${JSON.stringify(topic)}] }))
         .decode(json<{ k: string; v: number }>())
         .groupBy({ k: (o) => o.k }).aggregate({ n: count(), total: sum((o) => o.v) })
         .into(merge({ table: ${JSON.stringify(table)} })),
     })`,
  )
  return path
}

/** All tables of the bench's database, oncesink's own among them. */
async function tablesOf({ database }: Bench): Promise<string[]> {
  const rows = await database.rows<{ name: string }>(
    `SELECT concat(table_schema, '.', table_name) AS "name" FROM information_schema.tables
     WHERE table_schema IN ('public', 'oncesink', :name) ORDER BY 1`,
    { name: database.name },
  )
  return rows.map(({ name }) => name)
}

const changed = (text: string, change: (url: URL) => void) => {
  const url = new URL(text)
  change(url)
  return url.href
}

/** The database's URL as a user who may log in and, on MySQL and MariaDB, create tables of no use. */
async function limitedUser(database: TestDatabase): Promise<{ url: string; user: string }> {
  if (database.engine.name === 'postgres') {
    const { url, role } = await createRole(database)
    return { url, user: role }
  }
  const user = uniqueName('user')
  // For local connections too: some servers have an anonymous user there, who would be preferred.
  const accounts = ['%', 'localhost'].map((host) => `'${user}'@'${host}'`)
  for (const account of accounts) {
    await database.run(`CREATE USER ${account} IDENTIFIED BY 'secret-1'`)
    await database.run(`GRANT REFERENCES ON ${database.name}.* TO ${account}`)
  }
  onTestFinished(() => database.run(`DROP USER ${accounts.join()}`))
  const url = changed(database.url, (u) => {
    u.username = user
    u.password = 'secret-1'
  })
  return { url, user }
}

onEveryEngine((engine) => {
  const isPostgres = engine.name === 'postgres'
  /** On which no job has ever run. */
  let untouched: Bench

  beforeAll(async () => {
    untouched = await openBench('untouched', { engine })
  })

  test('a job that can run has no complaint before its first start, while it runs and after it, and is not touched', async () => {
    const bench = await openBench('healthy', { engine })
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
      `consumer group ${bench.name}`,
    ])
    expect(await tablesOf(bench)).toEqual(before)

    await bench.produce(10)
    const { running } = await observe(bench.job())
    await bench.untilCommitted()
    const second = await examined(bench.job())
    expect(complaints(second)).toEqual([])
    const said = (name: string) => second.find(({ check }) => check === name)?.message
    expect(said('positions')).toContain('continues all 2 stored')
    expect(said('reading')).toBe('records can be fetched')
    // By default MariaDB does not keep what a client calls itself.
    const who = engine.name === 'mariadb' ? 'process .*' : `process .*:${process.pid}`
    expect(said('owner')).toMatch(
      new RegExp(`^${who} runs this job: a start here joins it, .*divide the partitions`),
    )
    // Where one process owns everything, another start ends it.
    expect(complaints(await examined(bench.job({ source: { assignment: 'all' } })))).toEqual([
      expect.stringMatching(new RegExp(`^warning owner: ${who} runs this job: .*exit code 3`)),
      expect.stringMatching(/^warning consumer group .*consumers have joined it, and only they may commit/),
    ])
    // The group belongs to the job that has joined it.
    const other = bench.job({ name: uniqueName('other'), source: { group: bench.name } })
    expect(complaints(await examined(other))).toContainEqual(
      expect.stringMatching(
        /^problem consumer group .*members are not processes of job .*give kafka\(\{ group/,
      ),
    )
    await bench.produce(10)
    await bench.untilCommitted()
    expect(running.state).toBe('running')
  })

  test('tables: missing, unfit, and with a trigger', async () => {
    const bench = await openBench('unfit', {
      engine,
      tables: ({ text }) => `CREATE TABLE totals (k ${text}, n int);
        CREATE TABLE seen ("partition" int NOT NULL, log_offset bigint NOT NULL, v bigint NOT NULL)
          ${isPostgres ? '' : 'ENGINE = MyISAM'};`,
    })
    await bench.database.run(
      isPostgres
        ? `CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
           CREATE TRIGGER watched BEFORE INSERT ON seen FOR EACH ROW EXECUTE FUNCTION noop()`
        : 'CREATE TRIGGER watched BEFORE INSERT ON seen FOR EACH ROW SET @noop = 1',
    )
    const found = complaints(await examined(bench.job({ migrate: 'check' })))
    expect(found).toEqual([
      expect.stringMatching(/^problem oncesink's tables: .*lack 0001.*oncesink migrate/),
      expect.stringMatching(/^problem sink table totals: .*no column 'total'/),
      expect.stringMatching(/^problem sink table totals: .*key column 'k' may be NULL/),
      expect.stringMatching(/^problem sink table totals: .*ADD PRIMARY KEY \(k\)/),
      ...(isPostgres
        ? []
        : [expect.stringMatching(/^problem sink table seen: .*\(MyISAM table\).*ENGINE = InnoDB/)]),
      expect.stringMatching(/^warning sink table seen: trigger watched/),
    ])
    await bench.database.run('DROP TABLE totals')
    expect(complaints(await examined(bench.job()))).toContainEqual(
      expect.stringMatching(/^problem sink table totals: table totals does not exist.*create it/),
    )
  })

  test('rights: on rows, and to create', async () => {
    const { user, url } = await limitedUser(untouched.database)
    const toCreate = isPostgres
      ? `GRANT CREATE ON DATABASE .* TO "${user}"`
      : `GRANT CREATE, .* ON .${untouched.database.name}.\\.\\* TO .${user}.@`
    // To who has no right at all on a table, MySQL does not show it.
    const onTable = (table: string, privileges: string) =>
      isPostgres
        ? new RegExp(`^problem sink table ${table}: .*GRANT ${privileges}`)
        : new RegExp(`^problem sink table ${table}: .*(GRANT ${privileges}|this role cannot see it)`)
    expect(complaints(await examined(untouched.job({ url })))).toEqual([
      expect.stringMatching(new RegExp(`^problem oncesink's tables: .*${toCreate}`)),
      expect.stringMatching(onTable('totals', 'SELECT, INSERT, UPDATE')),
      expect.stringMatching(onTable('seen', 'INSERT')),
    ])
  })

  test('another shape, and a table of another job', async () => {
    const bench = await openBench('shapes', { engine })
    await bench.produce(10)
    await drain(bench.job())
    const counted = (orders: Stream<Order>) =>
      orders
        .groupBy({ k: ({ k }) => k })
        .aggregate({ n: count() })
        .into(merge({ table: 'totals' }))
    expect(complaints(await examined(bench.job({ pipelines: counted })))).toContainEqual(
      expect.stringMatching(/^problem identity: .*another shape.*--accept-shape-change/s),
    )
    expect(complaints(await examined(bench.job({ name: `${bench.name} renamed` })))).toEqual([
      expect.stringMatching(new RegExp(`^problem identity: table .* is written by job '${bench.name}'`)),
    ])
  })

  test('a wrong password, and a database that is missing', async () => {
    const wrong = changed(untouched.database.url, (u) => {
      u.password = 'wrong'
    })
    expect(complaints(await examined(untouched.job({ url: wrong })))).toEqual([
      expect.stringMatching(
        isPostgres ? /^problem database: .*28P01.*Check user/ : /^problem database: .*1045.*Check user/,
      ),
    ])
    const absent = changed(untouched.database.url, (u) => {
      u.pathname = '/no_such_database'
    })
    expect(complaints(await examined(untouched.job({ url: absent })))).toEqual([
      expect.stringMatching(/^problem database: .*(3D000|1049).*Create the database/),
    ])
  })

  test('clocks that differ, and a Node.js that is too old', async () => {
    const clock = { ...systemRuntime.clock, wallMs: () => systemRuntime.clock.wallMs() + 60_000 }
    const runtime = { ...systemRuntime, clock }
    expect(complaints(await examined(untouched.job(), { runtime, nodeVersion: '20.18.3' }))).toEqual([
      expect.stringMatching(/^problem Node\.js: this is Node\.js 20\.18\.3: oncesink needs 20\.19 or newer/),
      expect.stringMatching(/^warning clock: this machine's clock is (59|60) s ahead of the database's/),
    ])
    clock.wallMs = () => systemRuntime.clock.wallMs() - 60_000
    expect(complaints(await examined(untouched.job(), { runtime }))).toEqual([
      expect.stringMatching(/^warning clock: this machine's clock is (60|61) s behind/),
    ])
  })
})

/** On PostgreSQL; no job ever runs on it. */
let bench: Bench

beforeAll(async () => {
  bench = await openBench('examined')
})

describe('whatever the database is,', () => {
  test('brokers that do not answer do not hide a wrong password', async () => {
    const brokers = [`127.0.0.1:${await freePort()}`]
    const url = changed(bench.database.url, (u) => {
      u.password = 'wrong'
    })
    const found = complaints(await examined(bench.job({ url, source: { brokers } })))
    expect(found).toEqual([
      expect.stringMatching(/^problem brokers: .*check that they run/s),
      expect.stringMatching(/^problem database: .*28P01.*Check user and password/),
    ])
  })

  test('topics that are missing are all named at once, and do not hide a table that is', async () => {
    const missing = [uniqueName('no_such_topic'), uniqueName('no_such_topic')]
    const job = bench.job({
      source: { topics: [bench.topic, ...missing] },
      pipelines: (orders) => orders.into(append({ table: 'no_such_table' })),
    })
    const found = complaints(await examined(job))
    expect(found).toEqual([
      expect.stringMatching(
        /^problem topics: topics ".+", ".+" do not exist in the cluster; create them, or/,
      ),
      expect.stringMatching(/^problem sink table no_such_table: .*create it/),
    ])
    expect(found[0]?.match(/"[^"]+"/g)?.sort()).toEqual(missing.map((topic) => `"${topic}"`).sort())
  })

  test('positions that the log does not continue any more: retention, and a topic that was created again', async () => {
    const lost = await openBench('lost', { partitions: 1 })
    await lost.produce(10)
    await drain(lost.job())
    await lost.produce(10)
    await deleteRecordsBelow(lost.topic, 15)
    expect(complaints(await examined(lost.job()))).toEqual([
      expect.stringMatching(/^problem positions: records \[10, 15\) of .* are no longer in the log/s),
    ])
    const admin = await kafkaAdmin()
    await admin.deleteTopics({ topics: [lost.topic] })
    await eventually(async () => !(await admin.listTopics()).includes(lost.topic))
    await eventually(() => admin.createTopics({ topics: [{ topic: lost.topic }], waitForLeaders: true }))
    await produceAfresh(lost.topic, [{ value: '{"k":"a","v":1}' }])
    expect(complaints(await examined(lost.job()))).toEqual([
      expect.stringMatching(/^problem positions: .*created again.*accept-loss/s),
    ])
  })

  test('a password function that fails is found', async () => {
    const database = postgres({ host: 'localhost', password: () => Promise.reject(new Error('no token')) })
    expect(complaints(await examined(bench.job({ database })))).toEqual([
      expect.stringMatching(/^problem database: .*password function failed: no token/),
    ])
  })

  test('a database that is read-only is found', async () => {
    const { knex, name } = bench.database
    onTestFinished(async () => {
      await knex.raw('ALTER DATABASE ?? RESET default_transaction_read_only', [name])
    })
    await knex.raw('ALTER DATABASE ?? SET default_transaction_read_only = on', [name])
    expect(complaints(await examined(bench.job()))).toEqual([
      expect.stringMatching(/^problem writable: .*takes no writes.*connect to the primary/),
    ])
  })
})

describe('oncesink doctor', () => {
  test('prints one line per check and exits with 0; with --format json an array', async () => {
    const table = await oncesink(['doctor', await jobFile(bench)])
    expect(table).toMatchObject({ code: 0 })
    expect(table.stdout).toMatch(/^ok {7}job file: defines job '.*'\nok {7}Node\.js: \d/)
    const json = await oncesink(['doctor', await jobFile(bench), '--format', 'json'])
    const findings = JSON.parse(json.stdout) as Finding[]
    expect(findings.map(({ status }) => status)).toEqual(findings.map(() => 'ok'))
    expect(findings).toHaveLength(table.stdout.trimEnd().split('\n').length)
  })

  test('exits with 1 for a problem outside, and with 2 for a job file that is none', async () => {
    const broken = await oncesink(['doctor', await jobFile(bench, 'no_such_table')])
    expect(broken).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /\nproblem {2}sink table no_such_table: table no_such_table does not.*create it/,
      ),
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
