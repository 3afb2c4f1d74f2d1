import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTcpProxy, type TcpProxy } from '../../src/chaos/tcp-proxy.ts'
import type { Connection, Dialect } from '../../src/database/dialect.ts'
import { beginTransaction } from '../../src/database/postgres/begin.ts'
import { commit } from '../../src/database/postgres/commit.ts'
import { openSession } from '../../src/database/postgres/connect.ts'
import { createPostgresDialect } from '../../src/database/postgres/dialect.ts'
import { postgres } from '../../src/database/postgres/options.ts'
import { TableCatalog } from '../../src/database/postgres/table-catalog.ts'
import { PostgresTransaction } from '../../src/database/postgres/transaction.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { claimTopic, inTransaction, PostgresFixture } from '../support/postgres-fixture.ts'
import { postgresService } from '../support/postgres-service.ts'

const db = new PostgresFixture()
let proxy: TcpProxy
/** Leads through the proxy, with short timeouts. */
let dialect: Dialect
let table: string
const session = { job: 'job', owner: 'test' }

beforeAll(async () => {
  await db.open()
  const url = new URL(postgresService().url)
  proxy = await startTcpProxy({ target: { host: url.hostname, port: Number(url.port) } })
  url.hostname = '127.0.0.1'
  url.port = String(proxy.port)
  dialect = createPostgresDialect(
    postgres({
      connectionString: url.href,
      schema: db.schema,
      statementTimeoutMs: 1_000,
      connectTimeoutMs: 500,
    }),
    systemRuntime,
  )
  table = await db.table('sink', 'x int UNIQUE DEFERRABLE INITIALLY DEFERRED')
})
afterAll(async () => {
  await proxy.close()
  await db.drop()
})
beforeEach(() => proxy.heal())

const stored = async (x: number) => (await db.rows(`SELECT 1 FROM ${table} WHERE x = $1`, [x])).length === 1

async function insert(connection: Connection, x: number) {
  const trx = await connection.begin('batch')
  await trx.appendRows({ table, columns: ['x'], rows: [[x]] })
  return trx
}

describe('COMMIT', () => {
  test('an answer that is lost is unknown, and the transaction is really committed', async () => {
    const connection = await dialect.connect(session)
    const trx = await insert(connection, 1)
    const before = proxy.injected.cutAfterCommit
    proxy.cutAfterCommit()
    expect(await trx.commit()).toMatchObject({
      kind: 'unknown',
      error: { code: 'COMMIT_OUTCOME_UNKNOWN' },
    })
    expect(proxy.injected.cutAfterCommit).toBe(before + 1)
    expect(connection.broken).toBe(true)
    expect(await stored(1)).toBe(true)
    await expect(connection.begin('batch')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    connection.destroy()
  })

  test('one that never reaches the server is unknown, and really not committed', async () => {
    const connection = await dialect.connect(session)
    const trx = await insert(connection, 2)
    const before = proxy.injected.cutBeforeCommit
    proxy.cutBeforeCommit()
    expect(await trx.commit()).toMatchObject({ kind: 'unknown' })
    expect(proxy.injected.cutBeforeCommit).toBe(before + 1)
    expect(connection.broken).toBe(true)
    expect(await stored(2)).toBe(false)
  })

  test('one on a connection that is known to be lost is not sent: aborted', async () => {
    const connection = await dialect.connect(session)
    const trx = await insert(connection, 3)
    proxy.reset()
    await eventually(() => connection.broken)
    expect(await trx.commit()).toMatchObject({ kind: 'aborted', error: { code: 'DATABASE_UNAVAILABLE' } })
    expect(await stored(3)).toBe(false)
  })

  test('one that disappears in a half-open network is unknown within the statement time', async () => {
    const connection = await dialect.connect(session)
    const trx = await insert(connection, 4)
    proxy.blackhole()
    const started = performance.now()
    expect(await trx.commit()).toMatchObject({ kind: 'unknown' })
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(connection.broken).toBe(true)
    await expect(dialect.connect(session)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  })

  test('a deferred constraint that fails there is a definite abort, and the rows’ fault', async () => {
    const connection = await dialect.connect(session)
    await inTransaction(connection, 'batch', (trx) => trx.appendRows({ table, columns: ['x'], rows: [[5]] }))
    const trx = await insert(connection, 5)
    expect(await trx.commit()).toMatchObject({ kind: 'aborted', error: { code: 'ROWS_REJECTED' } })
    expect(connection.broken).toBe(false)
    await connection.close()
  })

  /** A table whose deferred trigger raises what its column says. */
  async function raisingTable(name: string): Promise<string> {
    const raising = await db.table(name, 'state text')
    await db.rows(
      `CREATE FUNCTION ${db.schema}.${name}() RETURNS trigger LANGUAGE plpgsql
       AS $$ BEGIN RAISE EXCEPTION 'not like this' USING ERRCODE = NEW.state; END $$`,
    )
    await db.rows(
      `CREATE CONSTRAINT TRIGGER t AFTER INSERT ON ${raising} DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION ${db.schema}.${name}()`,
    )
    return raising
  }

  test('whatever a deferred trigger raises there is a definite abort, and P0001 is the rows’ fault', async () => {
    const raising = await raisingTable('raising')
    const connection = await dialect.connect(session)
    for (const [state, code] of [
      ['P0001', 'ROWS_REJECTED'],
      ['22000', 'ROWS_REJECTED'],
      ['23514', 'ROWS_REJECTED'],
      ['53100', 'DATABASE_REFUSED'],
      ['40001', 'TRANSACTION_ABORTED'],
    ] as const) {
      const trx = await connection.begin('batch')
      await trx.appendRows({ table: raising, columns: ['state'], rows: [[state]] })
      expect(await trx.commit()).toMatchObject({
        kind: 'aborted',
        error: { code, message: expect.stringContaining(`SQLSTATE ${state}`) },
      })
      // The session goes on.
      expect(await connection.isWritable()).toBe(true)
    }
    expect(await db.rows(`SELECT FROM ${raising}`)).toEqual([])
    await connection.close()
  })

  test.each(['40003', '08006', '08P01'])(
    'SQLSTATE %s there leaves it unknown, and the connection is not used again',
    async (state) => {
      const raising = await raisingTable(`doubtful_${state.toLowerCase()}`)
      const connection = await dialect.connect(session)
      const trx = await connection.begin('batch')
      await trx.appendRows({ table: raising, columns: ['state'], rows: [[state]] })
      expect(await trx.commit()).toMatchObject({ kind: 'unknown', error: { code: 'COMMIT_OUTCOME_UNKNOWN' } })
      expect(connection.broken).toBe(true)
    },
  )

  test('a session that is ended there leaves it unknown', async () => {
    const ending = await db.table('ending', 'x int')
    await db.rows(
      `CREATE FUNCTION ${db.schema}.ending() RETURNS trigger LANGUAGE plpgsql
       AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$`,
    )
    await db.rows(
      `CREATE CONSTRAINT TRIGGER t AFTER INSERT ON ${ending} DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION ${db.schema}.ending()`,
    )
    const connection = await dialect.connect(session)
    const trx = await connection.begin('batch')
    await trx.appendRows({ table: ending, columns: ['x'], rows: [[1]] })
    expect(await trx.commit()).toMatchObject({ kind: 'unknown', error: { code: 'COMMIT_OUTCOME_UNKNOWN' } })
    expect(connection.broken).toBe(true)
  })

  test('a transaction that has failed answers with the tag ROLLBACK: aborted', async () => {
    const opened = await openSession(db.plan, session, systemRuntime)
    await beginTransaction(opened.session, 'batch', db.plan, opened.facts)
    await opened.session.send(`INSERT INTO ${table} VALUES (6)`, null)
    await expect(opened.session.send('SELECT 1 / 0', null)).rejects.toThrow('division by zero')
    expect(await commit(opened.session)).toMatchObject({
      kind: 'aborted',
      error: { code: 'TRANSACTION_ABORTED', message: expect.stringContaining('ROLLBACK') },
    })
    expect(opened.session.broken).toBe(false)
    expect(await stored(6)).toBe(false)
    await opened.session.end()
  })

  test('a transaction in which an operation failed is not committed', async () => {
    const connection = await dialect.connect(session)
    const trx = await insert(connection, 7)
    await expect(trx.appendRows({ table, columns: ['x'], rows: [['x']] })).rejects.toMatchObject({
      code: 'ROWS_REJECTED',
    })
    await expect(trx.appendRows({ table, columns: ['x'], rows: [[8]] })).rejects.toMatchObject({
      code: 'INVARIANT_VIOLATED',
    })
    expect(await trx.commit()).toMatchObject({ kind: 'aborted', error: { code: 'INVARIANT_VIOLATED' } })
    expect(await stored(7)).toBe(false)
    // The connection is free for the next transaction.
    expect(await (await insert(connection, 8)).commit()).toEqual({ kind: 'committed' })
    await connection.close()
  })

  test('a COMMIT hidden inside the transaction is found when the ledger is written', async () => {
    const claimId = await claimTopic(await db.connect('hidden'), 'hidden', 'topic', 1)
    const range = { topic: 'topic', partition: 0, from: 0n, until: 1n }
    const opened = await openSession(db.plan, session, systemRuntime)
    await beginTransaction(opened.session, 'batch', db.plan, opened.facts)
    const tables = new TableCatalog(opened.session)
    const trx = new PostgresTransaction({
      session: opened.session,
      runtime: systemRuntime,
      tables,
      onEnd: () => {},
    })
    expect(await trx.advanceRanges('hidden', [{ range, epoch: 1n, claimId, leaderEpoch: 0 }])).toBe(1)
    // Past every guard, as nothing in oncesink can.
    await opened.session.send('COMMIT; BEGIN', null)
    const row = {
      range,
      kind: 'batch' as const,
      incarnation: 0,
      epoch: 1n,
      claimId,
      batchId: randomUUID(),
      records: 1,
      deadLetters: 0,
      digest: null,
    }
    await expect(trx.writeLedger('hidden', [row])).rejects.toMatchObject({
      code: 'INVARIANT_VIOLATED',
      message: expect.stringContaining('ended before its COMMIT'),
    })
    await trx.rollback()
    await opened.session.end()
  })
})

describe('a session', () => {
  const sink = { scope: 'sink', doing: 'test' } as const

  test('goes on after a message that the server did not understand', async () => {
    const { session: opened } = await openSession(db.plan, session, systemRuntime)
    await expect(opened.query('SELECT $1::int', [1, 2], sink)).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining('SQLSTATE 08P01'),
    })
    expect(opened.broken).toBe(false)
    expect((await opened.query('SELECT 1 AS one', [], sink)).rows).toEqual([{ one: 1 }])
    await opened.end()
  })

  test('ends without a throw also when its good-bye fails', async () => {
    const { session: opened } = await openSession(db.plan, session, systemRuntime)
    const { client } = opened
    client.end = () => Promise.reject(new Error('write after end'))
    await opened.end()
    expect(opened.broken).toBe(true)
  })

  test('tells its loss once to those who wait for it then, and at once to those who come later', async () => {
    const { session: opened } = await openSession(db.plan, session, systemRuntime)
    const told: string[] = []
    opened.onLoss(() => told.push('left'))()
    opened.onLoss(() => told.push('waits'))
    opened.destroy()
    opened.destroy()
    expect(told).toEqual(['waits'])
    expect(opened.lossListeners).toBe(0)
    opened.onLoss(() => told.push('late'))
    expect(told).toEqual(['waits', 'late'])
  })
})

describe('a lost connection', () => {
  test('a terminated backend breaks the connection, and says what happened', async () => {
    const connection = await db.connect()
    const trx = await connection.begin('batch')
    await db.rows('SELECT pg_terminate_backend($1)', [connection.backend.id])
    await expect(trx.readPositions('job')).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      disposition: 'retry',
    })
    expect(connection.broken).toBe(true)
    await trx.rollback()
    await connection.close()
  })

  test('a backend that is terminated while nothing runs is noticed', async () => {
    const connection = await db.connect()
    await db.rows('SELECT pg_terminate_backend($1)', [connection.backend.id])
    await eventually(() => connection.broken)
    await expect(connection.begin('batch')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  })

  test('a reset inside COPY is DATABASE_UNAVAILABLE and nothing is stored', async () => {
    let resets = 0
    const faultPoints = {
      reach: async () => {
        if (resets++ === 2) proxy.reset()
      },
    }
    const url = new URL(postgresService().url)
    url.host = `127.0.0.1:${proxy.port}`
    const plan = postgres({ connectionString: url.href, schema: db.schema })
    const connection = await createPostgresDialect(plan, { ...systemRuntime, faultPoints }).connect(session)
    const trx = await connection.begin('batch')
    const rows = Array.from({ length: 100_000 }, (_, i) => [i + 100_000])
    await expect(trx.appendRows({ table, columns: ['x'], rows })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    })
    await trx.rollback()
    expect(connection.broken).toBe(true)
    expect(await stored(100_000)).toBe(false)
  })

  test('a statement that runs too long is ended by the server, and the transaction can be run again', async () => {
    const connection = await dialect.connect(session)
    const trx = await connection.begin('batch')
    await expect(trx.runUserCode((knex) => knex.raw('SELECT pg_sleep(5)'))).rejects.toMatchObject({
      code: 'STATEMENT_TIMEOUT',
      disposition: 'retry',
      message: expect.stringContaining('statementTimeoutMs'),
    })
    await trx.rollback()
    expect(connection.broken).toBe(false)
    await connection.close()
  })
})
