import { describe, expect, onTestFinished, test } from 'vitest'
import { startTcpProxy } from '../../src/chaos/tcp-proxy.ts'
import { count, sumDecimal } from '../../src/index.ts'
import type { Stream } from '../../src/pipeline/stream.ts'
import { freePort } from '../../src/services/native/free-ports.ts'
import { append } from '../../src/sink/append.ts'
import { merge } from '../../src/sink/merge.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { drain, type Order, openBench, startFailure } from '../support/running-job.ts'
import { uniqueName } from '../support/unique.ts'

const byKey = (orders: Stream<Order>) => orders.groupBy({ k: ({ k }) => k })

describe('preflight', () => {
  test('tells all problems of all tables in one error, each with its cure, and reads nothing', async () => {
    const bench = await openBench('problems', {
      tables: `
        CREATE TABLE no_key (k text NOT NULL, n bigint NOT NULL);
        CREATE TABLE nullable (k text UNIQUE, n bigint NOT NULL);
        CREATE TABLE coarse (k text PRIMARY KEY, revenue numeric(10, 1) NOT NULL);
        CREATE TABLE column_less (k text PRIMARY KEY);
        CREATE TABLE forbidden (k text, v bigint);`,
    })
    const { knex } = bench.database
    const role = uniqueName('writer')
    await knex.raw(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`)
    onTestFinished(async () => {
      await knex.raw(`DROP OWNED BY ${role}`)
      await knex.raw(`DROP ROLE ${role}`)
    })
    await knex.raw(`GRANT ALL ON SCHEMA public TO ${role}`)
    await knex.raw(`GRANT CREATE ON DATABASE ?? TO ${role}`, [bench.database.name])
    await knex.raw(`GRANT ALL ON no_key, nullable, coarse, column_less TO ${role}`)
    await bench.produce(10)
    const url = new URL(bench.database.url)
    url.username = role
    url.password = 'secret'
    const counted = (table: string) => (orders: Stream<Order>) =>
      byKey(orders).aggregate({ n: count() }).into(merge({ table }))
    const pipelines = (orders: Stream<Order>) => [
      counted('missing')(orders),
      counted('no_key')(orders),
      counted('nullable')(orders),
      counted('column_less')(orders),
      byKey(orders)
        .aggregate({ revenue: sumDecimal(({ v }) => v, { scale: 2 }) })
        .into(merge({ table: 'coarse' })),
      orders.into(append({ table: 'forbidden' })),
    ]
    const error = await startFailure(bench.job({ url: url.href, pipelines }))
    expect(error.code).toBe('PREFLIGHT_FAILED')
    const [head, ...problems] = error.message.split('\n')
    expect(head).toMatch(new RegExp(`^job '${bench.name}' cannot run against PostgreSQL \\d`))
    expect(problems).toEqual([
      expect.stringMatching(/table missing does not exist.*create it/),
      expect.stringMatching(
        /no_key.*no primary key or unique index is exactly on \(k\).*ADD PRIMARY KEY \(k\)/,
      ),
      expect.stringMatching(/nullable.*key column 'k' may be NULL.*SET NOT NULL/),
      expect.stringMatching(/column_less.*has no column 'n'.*add it/),
      expect.stringMatching(/coarse.*numeric\(10,1\).*fewer digits.*use numeric\(\.\.\., 2\)/),
      expect.stringMatching(/forbidden.*lacks INSERT.*GRANT INSERT/),
    ])
    // Not even a claim was made.
    const { rows } = await knex.raw<{ rows: unknown[] }>('SELECT FROM oncesink.oncesink_jobs')
    expect(rows).toEqual([])
  })

  test('names a topic that does not exist', async () => {
    const bench = await openBench('topics')
    const topic = uniqueName('no_such_topic')
    const error = await startFailure(bench.job({ source: { topics: [bench.topic, topic] } }))
    expect(error).toMatchObject({ code: 'TOPIC_MISSING', message: expect.stringContaining(topic) })
  })
})

describe('a server that cannot be reached', () => {
  const limits = { startupTimeoutMs: 600 }

  async function timed(start: () => ReturnType<typeof startFailure>) {
    const started = performance.now()
    const error = await start()
    return { error, elapsedMs: performance.now() - started }
  }

  test('fails the start within startupTimeoutMs: the database', async () => {
    const bench = await openBench('no-database')
    const url = new URL(bench.database.url)
    url.host = `127.0.0.1:${await freePort()}`
    const { error, elapsedMs } = await timed(() => startFailure(bench.job({ url: url.href, limits })))
    expect(error).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringMatching(
        `${url.host}.*Check that the server runs, and that host and port are right`,
      ),
    })
    expect(elapsedMs).toBeGreaterThan(500)
    expect(elapsedMs).toBeLessThan(2_000)
  })

  test('fails the start within startupTimeoutMs: the brokers', async () => {
    const bench = await openBench('no-broker')
    const address = `127.0.0.1:${await freePort()}`
    const job = bench.job({ source: { brokers: [address] }, limits })
    const { error, elapsedMs } = await timed(() => startFailure(job))
    expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: expect.stringContaining(address) })
    expect(elapsedMs).toBeGreaterThan(500)
    expect(elapsedMs).toBeLessThan(2_000)
  })

  test('is no failure when it can be reached in time: the start waits for it', async () => {
    const bench = await openBench('in-time')
    await bench.produce(10)
    const target = new URL(bench.database.url)
    const port = await freePort()
    const url = new URL(target)
    url.host = `127.0.0.1:${port}`
    const events = new EventBus<JobEvents>()
    const unavailable = new Promise((resolve) => events.on('retrying', resolve))
    const drained = drain(bench.job({ url: url.href }), { events })
    expect(await unavailable).toMatchObject({ what: 'database', attempt: 1 })
    const proxy = await startTcpProxy({
      target: { host: target.hostname, port: Number(target.port || 5432) },
      port,
    })
    onTestFinished(() => proxy.close())
    await drained
    expect(await bench.actual()).toEqual(bench.expected())
  })

  test('is not waited for when it refuses for good: a database that does not exist', async () => {
    const bench = await openBench('no-such-database')
    const url = new URL(bench.database.url)
    url.pathname = `/${uniqueName('no_such_database')}`
    const { error, elapsedMs } = await timed(() => startFailure(bench.job({ url: url.href })))
    expect(error).toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining('does not exist'),
    })
    expect(elapsedMs).toBeLessThan(2_000)
  })
})
