import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import { openSession } from '../../src/database/postgres/connect.ts'
import { createPostgresDialect } from '../../src/database/postgres/dialect.ts'
import { postgres } from '../../src/database/postgres/options.ts'
import { runUserCode } from '../../src/database/postgres/user-handle.ts'
import { OncesinkError } from '../../src/errors.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { PostgresFixture } from '../support/postgres-fixture.ts'
import { postgresService } from '../support/postgres-service.ts'

const db = new PostgresFixture()
let connection: Connection
let table: string

beforeAll(async () => {
  await db.open()
  connection = await db.connect()
  table = await db.table('sink', 'x int PRIMARY KEY, at timestamp, d date')
})
afterAll(() => db.drop())

/** Runs `work` in a transaction and commits if it is let. Returns the error with which it was refused, or null. */
async function run(work: (trx: Knex) => Promise<unknown>): Promise<OncesinkError | null> {
  const trx = await connection.begin('batch')
  try {
    await trx.runUserCode(work)
  } catch (error) {
    await trx.rollback()
    expect(connection.broken).toBe(false)
    if (error instanceof OncesinkError) return error
    throw error
  }
  expect(await trx.commit()).toEqual({ kind: 'committed' })
  return null
}

const stored = async () =>
  (await db.rows<{ x: number }>(`SELECT x FROM ${table} ORDER BY x`)).map((row) => row.x)

describe('the handle of user code', () => {
  test('statements of every kind run in the transaction and commit with it', async () => {
    const refused = await run(async (trx) => {
      expect(await trx(table).insert({ x: 1 }).returning('x')).toEqual([{ x: 1 }])
      await trx(table).insert({ x: 2 }).onConflict('x').merge()
      expect(await trx(table).where({ x: 2 }).update({ x: 20 })).toBe(1)
      expect(await trx(table).where('x', '>', 1).first()).toMatchObject({ x: 20 })
      expect(await trx(table).pluck('x').orderBy('x')).toEqual([1, 20])
      await trx.raw('SET LOCAL synchronous_commit = on')
      await trx.raw('DO $$ BEGIN PERFORM 1; END $$')
      const { rows } = await trx.raw('WITH a AS (SELECT ?::int AS n) SELECT n FROM a', [7])
      expect(rows).toEqual([{ n: 7 }])
      await Promise.all([trx(table).insert({ x: 3 }), trx(table).insert({ x: 4 })])
    })
    expect(refused).toBeNull()
    expect(await stored()).toEqual([1, 3, 4, 20])
  })

  test('a procedure that commits is refused by the server', async () => {
    await db.rows(`CREATE PROCEDURE ${db.schema}.sneaky() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'`)
    const refused = await run(async (trx) => {
      await trx(table).insert({ x: 30 })
      await trx.raw(`CALL ${db.schema}.sneaky()`)
    })
    expect(refused).toMatchObject({ code: 'DATABASE_REFUSED', message: expect.stringContaining('2D000') })
    expect(await run((trx) => trx.raw('DO $$ BEGIN COMMIT; END $$'))).toMatchObject({
      message: expect.stringContaining('2D000'),
    })
    expect(await stored()).not.toContain(30)
  })

  test('dates go in and out in UTC, whatever the process’s time zone', async () => {
    const at = new Date('2026-03-29T01:30:00.000Z')
    const d = new Date('2026-03-29T00:00:00.000Z')
    await run(async (trx) => {
      await trx(table).insert({ x: 50, at, d })
      expect(await trx(table).where({ x: 50 }).first()).toEqual({ x: 50, at, d })
    })
    const [row] = await db.rows(`SELECT at::text, d::text FROM ${table} WHERE x = 50`)
    expect(row).toEqual({ at: '2026-03-29 01:30:00', d: '2026-03-29' })
  })

  test('a failed statement refuses the transaction, also when the code swallows it', async () => {
    let second: unknown
    const refused = await run(async (trx) => {
      await trx(table).insert({ x: 60 })
      await trx(table)
        .insert({ x: 60 })
        .catch((error: { code: string }) => expect(error.code).toBe('23505'))
      second = await trx(table)
        .insert({ x: 61 })
        .catch((error: unknown) => error)
    })
    expect(refused).toMatchObject({ code: 'ROWS_REJECTED', message: expect.stringContaining('23505') })
    expect(second).toMatchObject({ message: expect.stringContaining('was not sent') })
    expect(await stored()).not.toContain(60)
  })

  test('values of a failed statement are not in the message', async () => {
    const refused = await run((trx) => trx(table).insert({ x: 'a secret' }))
    for (const text of [refused?.message, String(refused?.cause)])
      expect(text).not.toContain(`values ('a secret'`)
    expect(refused).toMatchObject({ code: 'ROWS_REJECTED', message: expect.stringContaining('22P02') })
  })

  test('an error of the code itself is JOB_FUNCTION_FAILED and rolls back', async () => {
    const cause = new Error('a reason')
    const refused = await run(async (trx) => {
      await trx(table).insert({ x: 70 })
      throw cause
    })
    expect(refused).toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      cause,
      message: expect.stringContaining('a reason'),
    })
    expect(await run(() => Promise.reject(undefined))).toMatchObject({ code: 'JOB_FUNCTION_FAILED' })
    const thrown = await run(() => {
      throw new Error('synchronously')
    })
    expect(thrown).toMatchObject({ code: 'JOB_FUNCTION_FAILED' })
    expect(await stored()).not.toContain(70)
  })

  test.each([
    'COMMIT',
    ' /* a /* nested */ comment */ -- and a line\n commit',
    'END',
    'rollback',
    'ABORT',
    'BEGIN',
    'START TRANSACTION',
    'SAVEPOINT a',
    'RELEASE a',
    "PREPARE TRANSACTION 'a'",
    ';;COMMIT',
    'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
    'SET statement_timeout = 0',
    'SET SESSION statement_timeout = 0',
    'RESET ALL',
    'DISCARD ALL',
    'LISTEN a',
    'CREATE TABLE a ()',
    'ALTER TABLE a ADD b int',
    'DROP TABLE sink',
    'TRUNCATE sink',
  ])('refuses %j before it is sent, also when the refusal is swallowed', async (sql) => {
    const refused = await run(async (trx) => {
      await trx(table).insert({ x: 80 })
      await trx.raw(sql).catch(() => {})
    })
    expect(refused).toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      message: expect.stringContaining('may not send'),
    })
    expect(await stored()).not.toContain(80)
  })

  test('several statements in one string are impossible, with and without parameters', async () => {
    for (const sql of [`INSERT INTO ${table} VALUES (90); COMMIT`, `SELECT 1; COMMIT; BEGIN`]) {
      expect(await run((trx) => trx.raw(sql))).toMatchObject({
        message: expect.stringContaining('cannot insert multiple commands into a prepared statement'),
      })
    }
    expect(await stored()).not.toContain(90)
  })

  test('transactions, streams, schema builders and COPY are refused', async () => {
    const refused = (text: string) => ({ message: expect.stringContaining(text) })
    expect(await run((trx) => trx.transaction(async () => {}))).toMatchObject(
      refused('transaction cannot be opened'),
    )
    expect(await run((trx) => trx.transaction().catch(() => {}))).toMatchObject(
      refused('transaction cannot be opened'),
    )
    expect(await run((trx) => trx.schema.createTable('a', (t) => t.increments()))).toMatchObject(
      refused('may not send CREATE'),
    )
    expect(
      await run(async (trx) => {
        for await (const row of trx(table).stream()) expect(row).toBeDefined()
      }),
    ).toMatchObject(refused('cannot be streamed'))
    expect(await run((trx) => trx.raw(`COPY ${table} FROM STDIN`))).toMatchObject(
      refused('may not send COPY'),
    )
  })

  test('what knex takes for the connection leads nowhere', async () => {
    await run(async (trx) => {
      const raw: object = await trx.client.acquireConnection()
      expect(Reflect.ownKeys(raw)).toEqual([])
    })
  })

  test('it is revoked when the function has returned', async () => {
    let kept: Knex | undefined
    await run(async (trx) => {
      kept = trx
      await trx(table).insert({ x: 100 })
    })
    await expect(kept?.(table).insert({ x: 101 })).rejects.toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      message: expect.stringContaining('after its function had returned'),
    })
    expect(await stored()).not.toContain(101)
  })

  test('a statement that was not awaited refuses the transaction, and nothing sent behind it runs', async () => {
    const late: Promise<unknown>[] = []
    const refused = await run(async (trx) => {
      late.push(
        trx
          .raw('SELECT pg_sleep(0.1)')
          .then(() => trx(table).insert({ x: 110 }))
          .catch((error: unknown) => error),
      )
      late.push(
        trx(table)
          .insert({ x: 111 })
          .catch((error: unknown) => error),
      )
      await Promise.resolve()
    })
    expect(refused).toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      message: expect.stringContaining('before its statement had ended'),
    })
    for (const error of await Promise.all(late)) expect(error).toMatchObject({ code: 'JOB_FUNCTION_FAILED' })
    expect(await stored()).not.toContain(110)
    expect(await stored()).not.toContain(111)
  })

  test('a function that waits for something else for too long is ended with its session', async () => {
    const hasty = await createPostgresDialect(
      postgres({
        connectionString: postgresService().url,
        schema: db.schema,
        idleInTransactionTimeoutMs: 100,
      }),
      systemRuntime,
    ).connect({ job: 'job', owner: 'test' })
    const trx = await hasty.begin('batch')
    const never = trx.runUserCode(() => new Promise(() => {}))
    await expect(never).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('25P03'),
    })
    await trx.rollback()
    expect(hasty.broken).toBe(true)
  })

  test('nothing of a call stays with the session, neither a listener nor what the function returned', async () => {
    const { session } = await openSession(db.plan, { job: 'job', owner: 'test' }, systemRuntime)
    const returned: WeakRef<object>[] = []
    for (let i = 0; i < 100; i++) {
      await runUserCode(session, async () => {
        await Promise.resolve()
        expect(session.lossListeners).toBe(1)
        const result = { rows: [i] }
        returned.push(new WeakRef(result))
        return result
      })
    }
    const failing = () => runUserCode(session, () => Promise.reject(new Error('a reason')))
    await expect(failing()).rejects.toMatchObject({ code: 'JOB_FUNCTION_FAILED' })
    const throwing = () =>
      runUserCode(session, () => {
        throw new Error('synchronously')
      })
    await expect(throwing()).rejects.toMatchObject({ code: 'JOB_FUNCTION_FAILED' })
    expect(session.lossListeners).toBe(0)
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    await eventually(() => {
      collect()
      return returned.every((reference) => reference.deref() === undefined)
    })
    expect(session.broken).toBe(false)
    await session.end()
  })

  test('more parameters than a statement takes are refused with the cure; as many as it takes are sent', async () => {
    const rows = (count: number) => Array.from({ length: count }, (_, i) => ({ x: 1_000_000 + i }))
    const refused = await run((trx) => trx(table).insert(rows(65_536)))
    expect(refused).toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      message: expect.stringMatching(/65536 parameters.*at most 65,535.*rows\.slice.*merge or append/),
    })
    expect(await run((trx) => trx(table).insert(rows(65_535)))).toBeNull()
    expect((await stored()).length).toBeGreaterThanOrEqual(65_535)
    await db.rows(`DELETE FROM ${table} WHERE x >= 1000000`)
  })

  test('what a trigger refuses with RAISE is the data’s fault', async () => {
    const checked = await db.table('checked', 'x int')
    await db.rows(
      `CREATE FUNCTION ${db.schema}.check_row() RETURNS trigger LANGUAGE plpgsql
       AS $$ BEGIN IF NEW.x < 0 THEN RAISE EXCEPTION 'x is negative'; END IF; RETURN NEW; END $$`,
    )
    await db.rows(
      `CREATE TRIGGER t BEFORE INSERT ON ${checked} FOR EACH ROW EXECUTE FUNCTION ${db.schema}.check_row()`,
    )
    expect(await run((trx) => trx(checked).insert({ x: -1 }))).toMatchObject({
      code: 'ROWS_REJECTED',
      message: expect.stringContaining('P0001'),
    })
    expect(await run((trx) => trx(checked).insert({ x: 1 }))).toBeNull()
  })

  test('an error on oncesink’s own tables is not the data’s fault', async () => {
    const refused = await run((trx) =>
      trx(`${db.schema}.oncesink_topics`).insert({
        job: 'none',
        topic: 't',
        topic_id: 'i',
        known_partitions: 1,
      }),
    )
    expect(refused).toMatchObject({ code: 'DATABASE_REFUSED', message: expect.stringContaining('23503') })
  })
})
