import pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { createPostgresDialect } from '../../src/database/postgres/dialect.ts'
import { postgres } from '../../src/database/postgres/options.ts'
import { count, write } from '../../src/index.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { append } from '../../src/sink/append.ts'
import { merge } from '../../src/sink/merge.ts'
import { eventually } from '../support/eventually.ts'
import { type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { createDatabase } from '../support/postgres-service.ts'
import { type Bench, drain, observe, openBench, startFailure, totalsAndSeen } from '../support/running-job.ts'
import { createWorld } from '../support/witness-world.ts'

let pooler: PgBouncer

beforeAll(async () => {
  pooler = await startPgBouncer({ poolMode: 'transaction', poolSize: 4 })
  console.log(`PgBouncer ${pooler.version}`)
})

/** What a plain client is given through the pooler, for each name. */
async function shown(bench: Bench, names: readonly string[]): Promise<Record<string, string>> {
  const client = new pg.Client({ connectionString: pooler.through(bench.database.url) })
  await client.connect()
  try {
    const values: Record<string, string> = {}
    for (const name of names) values[name] = (await client.query(`SHOW ${name}`)).rows[0][name]
    return values
  } finally {
    await client.end()
  }
}

describe('behind PgBouncer in transaction mode', () => {
  test('a job works under its own settings, whatever the database has, and leaves none behind', async () => {
    const bench = await openBench('pooled', {
      tables: `
        CREATE TABLE totals (k text PRIMARY KEY, n bigint NOT NULL, total bigint NOT NULL);
        CREATE TABLE seen (partition int NOT NULL, log_offset bigint NOT NULL, v bigint NOT NULL);
        CREATE TABLE minutes (at timestamptz PRIMARY KEY, n bigint NOT NULL);
        CREATE TABLE doubles (d double precision NOT NULL, at timestamptz NOT NULL);
        CREATE TABLE written (k text NOT NULL, at timestamp NOT NULL);`,
    })
    const defaults = {
      TimeZone: 'Asia/Kolkata',
      DateStyle: 'German, DMY',
      IntervalStyle: 'iso_8601',
      bytea_output: 'escape',
      extra_float_digits: '-10',
      statement_timeout: '7min',
      lock_timeout: '6min',
      client_connection_check_interval: '0',
    }
    const { knex, name } = bench.database
    for (const [setting, value] of Object.entries(defaults))
      await knex.raw(`ALTER DATABASE ?? SET ${setting} = '${value}'`, [name])
    const inside: Record<string, string> = {}
    const at = new Date('2026-03-01T01:30:00.123Z')
    const jobOptions = {
      url: pooler.through(bench.database.url),
      pipelines: (orders: Parameters<typeof totalsAndSeen>[0]) => [
        ...totalsAndSeen(orders),
        orders
          .groupBy({ at: () => at })
          .aggregate({ n: count() })
          .into(merge({ table: 'minutes' })),
        orders.map(() => ({ d: 0.1 + 0.2, at })).into(append({ table: 'doubles' })),
        orders.into(
          write(async (trx, rows) => {
            // Statements with parameters, which must not leave anything prepared behind.
            for (const { k } of rows) await trx('written').insert({ k, at })
            for (const setting of Object.keys(defaults))
              inside[setting] = (await trx.raw(`SHOW ${setting}`)).rows[0][setting]
          }),
        ),
      ],
    }
    for (let round = 0; round < 3; round++) {
      await bench.produce(20)
      await drain(bench.job(jobOptions))
    }
    expect(inside).toEqual({
      TimeZone: 'UTC',
      DateStyle: 'ISO, MDY',
      IntervalStyle: 'postgres',
      bytea_output: 'hex',
      extra_float_digits: '1',
      statement_timeout: '1min',
      lock_timeout: '10s',
      client_connection_check_interval: '500ms',
    })
    const { totals, seen } = bench.expected()
    expect(await bench.totals()).toEqual(totals)
    expect(await bench.seen()).toEqual(seen)
    const { rows } = await knex.raw(`
      SELECT (SELECT json_agg(json_build_array(extract(epoch FROM at)::numeric(20, 3), n)) FROM minutes) AS minutes,
        (SELECT bool_and(d = 0.1::float8 + 0.2::float8 AND at = '2026-03-01T01:30:00.123Z') FROM doubles) AS doubles,
        (SELECT count(*) FILTER (WHERE at = '2026-03-01 01:30:00.123')::int FROM written) AS written`)
    expect(rows).toEqual([{ minutes: [[at.getTime() / 1000, 60]], doubles: true, written: 60 }])
    expect(await bench.brokenLinks()).toEqual([])
    // Every backend of the pool is asked, by as many clients at once.
    const names = Object.keys(defaults)
    for (const values of await Promise.all(Array.from({ length: 4 }, () => shown(bench, names))))
      expect(values).toEqual(defaults)
  })

  test('a process is killed in its transaction, another is stopped in one, and each time the next goes on exactly', async () => {
    const world = await createWorld({ assignment: 'all', maxRecords: 100 })
    world.env.DATABASE_URL = pooler.through(world.database.url)
    await world.produce(1_000)
    const killed = world.run({ fault: { point: 'transaction.rows-written', visit: 3, signal: 'SIGKILL' } })
    expect((await killed.ended).signal).toBe('SIGKILL')
    const stopped = world.run({ fault: { point: 'transaction.ledger-written', visit: 3, signal: 'SIGSTOP' } })
    await stopped.logged('fault')
    await stopped.stopped()
    // It holds the locks of its positions, in a backend that the pooler has lent to it.
    const next = world.run()
    await next.logged('batch')
    expect(next.log.some(({ event }) => event === 'blockerEnded')).toBe(true)
    await world.drained()
    stopped.kill('SIGCONT')
    expect((await stopped.ended).code).toBe(3)
    await world.produce(50)
    await world.drained()
    next.kill('SIGTERM')
    expect((await next.ended).code).toBe(0)
    await world.expectComplete()
  })

  test('a claim knows the backend that it waits in, which need not be the one that it began with', async () => {
    const database = await createDatabase('pooled_backend')
    const connectionString = pooler.through(database.url)
    const dialect = createPostgresDialect(postgres({ connectionString }), systemRuntime)
    const connection = await dialect.connect({ job: 'job', owner: 'test' })
    // The pooler lends the backend that it was given back last: to somebody who keeps it.
    const other = new pg.Client({ connectionString })
    await other.connect()
    await other.query('BEGIN')
    const lent = await other.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    expect(lent.rows).toEqual([{ pid: connection.backend.id }])
    const claim = await connection.begin('claim')
    let pid: unknown
    await claim.runUserCode(async (trx) => {
      pid = (await trx.raw('SELECT pg_backend_pid() AS pid')).rows[0].pid
    })
    expect(pid).not.toBe(lent.rows[0]?.pid)
    expect(connection.backend.id).toBe(pid)
    await claim.rollback()
    await connection.close()
    await other.end()
  })

  test('a backend that ends under a running job costs a new connection, and nothing else', async () => {
    const bench = await openBench('pooled-cut')
    await bench.produce(20)
    const { heard } = await observe(bench.job({ url: pooler.through(bench.database.url) }))
    await bench.untilCommitted()
    const { knex, name } = bench.database
    await knex.raw(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ? AND application_name LIKE 'oncesink:%'`,
      [name],
    )
    await bench.produce(20)
    await bench.untilCommitted()
    await eventually(() => heard.batch.length > 1)
    expect(await bench.actual()).toEqual(bench.expected())
  })
})

test('PgBouncer in statement mode is refused at once, with what to change', async () => {
  const bench = await openBench('statement-mode')
  const other = await startPgBouncer({ poolMode: 'statement', poolSize: 2 })
  const error = await startFailure(bench.job({ url: other.through(bench.database.url) }))
  expect(error).toMatchObject({
    code: 'DATABASE_REFUSED',
    message: expect.stringMatching(/statement pooling.*set pool_mode = transaction/s),
  })
})
