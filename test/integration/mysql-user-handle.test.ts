import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import { openSession } from '../../src/database/mysql/connect.ts'
import { mysql } from '../../src/database/mysql/options.ts'
import { runUserCode } from '../../src/database/mysql/user-handle.ts'
import { OncesinkError } from '../../src/errors.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { MysqlFixture, mysqlFlavours } from '../support/mysql-fixture.ts'

describe.each(mysqlFlavours)('on %s', (engine) => {
  const db = new MysqlFixture(engine)
  let connection: Connection
  let table: string

  beforeAll(async () => {
    await db.open()
    await db.useExactTexts()
    connection = await db.connect()
    table = await db.table(
      'sink',
      'x int PRIMARY KEY, at datetime(3), d date, t varchar(20), n bigint, b varbinary(9)',
    )
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

  const stored = async () => (await db.rows(`SELECT x FROM ${table} ORDER BY x`)).map((row) => row.x)

  describe('the handle of user code', () => {
    test('statements of every kind run in the transaction and commit with it', async () => {
      const refused = await run(async (trx) => {
        await trx(table).insert({ x: 1 })
        await trx(table).insert({ x: 2 }).onConflict('x').merge()
        expect(await trx(table).where({ x: 2 }).update({ x: 20 })).toBe(1)
        expect(await trx(table).where('x', '>', 1).first()).toMatchObject({ x: 20 })
        expect(await trx(table).pluck('x').orderBy('x').limit(5)).toEqual([1, 20])
        const [rows] = await trx.raw('WITH a AS (SELECT ? AS n) SELECT n FROM a', [7])
        expect(rows).toEqual([{ n: 7 }])
        await Promise.all([trx(table).insert({ x: 3 }), trx(table).insert({ x: 4 })])
        await trx(table).insert([{ x: 5 }, { x: 6 }])
        expect(await trx(table).whereIn('x', [5, 6]).delete()).toBe(2)
      })
      expect(refused).toBeNull()
      expect(await stored()).toEqual([1, 3, 4, 20])
    })

    test('a procedure that commits is found when the function has returned; one that does not may be called', async () => {
      await db.rows(`CREATE PROCEDURE ${db.schema}.sneaky() BEGIN COMMIT; START TRANSACTION; END`)
      await db.rows(`CREATE PROCEDURE ${db.schema}.honest() BEGIN SELECT 7 AS n; END`)
      const refused = await run(async (knex) => {
        await knex(table).insert({ x: 30 })
        await knex.raw(`CALL ${db.schema}.sneaky()`)
      })
      expect(refused).toMatchObject({
        code: 'INVARIANT_VIOLATED',
        message: expect.stringContaining('ended before its COMMIT'),
      })
      await db.rows(`DELETE FROM ${table} WHERE x = 30`)
      expect(
        await run(async (knex) => {
          const [[rows]] = await knex.raw(`CALL ${db.schema}.honest()`)
          expect(Number(rows[0].n)).toBe(7)
        }),
      ).toBeNull()
    })

    test.each([
      ['a time zone', "SET time_zone = '+05:00'", "time_zone is '+05:00' and was '+00:00'"],
      ['checks of foreign keys', 'SET foreign_key_checks = 0', "foreign_key_checks is '0' and was '1'"],
      ['autocommit', 'SET autocommit = 0', "autocommit is '0' and was '1'"],
      [
        'the isolation of later transactions',
        'SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE',
        "isolation is 'SERIALIZABLE' and was 'READ-COMMITTED'",
      ],
      ['the name of the session', 'DO release_all_locks()', 'has freed the user-level lock'],
    ])(
      '%s that a procedure changes for good is found, and the session is not used again',
      async (what, sql, said) => {
        const procedure = `${db.schema}.\`changes ${what}\``
        await db.rows(`CREATE PROCEDURE ${procedure}() BEGIN ${sql}; END`)
        const own = await db.connect()
        const trx = await own.begin('batch')
        const running = trx.runUserCode(async (knex) => {
          await knex(table).insert({ x: 35 })
          await knex.raw(`CALL ${procedure}()`)
        })
        await expect(running).rejects.toMatchObject({
          code: 'JOB_FUNCTION_FAILED',
          message: expect.stringContaining(said),
        })
        expect(own.broken).toBe(true)
        await trx.rollback()
        expect(await stored()).not.toContain(35)
      },
    )

    test('a procedure may change a variable of the session that it sets back, and those that decide nothing here', async () => {
      await db.rows(`CREATE PROCEDURE ${db.schema}.polite() BEGIN
        SET @zone = @@time_zone; SET time_zone = '+05:00'; SET time_zone = @zone; SET SESSION group_concat_max_len = 5000;
      END`)
      expect(await run((knex) => knex.raw(`CALL ${db.schema}.polite()`))).toBeNull()
    })

    test('dates go in and out in UTC, whatever the process’s time zone; big numbers and bytes are exact', async () => {
      const at = new Date('2026-03-29T01:30:00.250Z')
      const d = new Date('2026-03-29T00:00:00.000Z')
      const row = {
        x: 50,
        at,
        d,
        t: "it's \\ ? 😀",
        n: 9_007_199_254_740_993n,
        b: new Uint8Array([0, 255, 39]),
      }
      await run(async (trx) => {
        await trx(table).insert(row)
        expect(await trx(table).where({ x: 50 }).first()).toEqual({
          ...row,
          n: '9007199254740993',
          b: Buffer.from([0, 255, 39]),
        })
        expect(await trx(table).where({ at, n: row.n }).pluck('x')).toEqual([50])
      })
      const [stored] = await db.rows(
        `SELECT CAST(at AS CHAR) AS at, CAST(d AS CHAR) AS d FROM ${table} WHERE x = 50`,
      )
      expect(stored).toEqual({ at: '2026-03-29 01:30:00.250', d: '2026-03-29' })
    })

    test('values that the server lacks, and that would be written as something else, are refused', async () => {
      for (const [value, reason] of [
        [Number.NaN, 'NaN is no number'],
        [Number.NEGATIVE_INFINITY, '-Infinity is no number'],
        ['\ud800', 'half a surrogate pair'],
        [new Date(Number.NaN), 'the date is invalid'],
      ] as const) {
        expect(await run((trx) => trx(table).insert({ x: 55, t: value as string }))).toMatchObject({
          code: 'JOB_FUNCTION_FAILED',
          message: expect.stringContaining(reason),
        })
      }
    })

    test('a failed statement refuses the transaction, also when the code swallows it', async () => {
      let second: unknown
      const refused = await run(async (trx) => {
        await trx(table).insert({ x: 60 })
        await trx(table)
          .insert({ x: 60 })
          .catch((error: { code: string }) => expect(error.code).toBe('ER_DUP_ENTRY'))
        second = await trx(table)
          .insert({ x: 61 })
          .catch((error: unknown) => error)
      })
      expect(refused).toMatchObject({ code: 'ROWS_REJECTED', message: expect.stringContaining('1062') })
      expect(second).toMatchObject({ message: expect.stringContaining('was not sent') })
      expect(await stored()).not.toContain(60)
    })

    test('values of a failed statement are not in the message', async () => {
      const secret = 'x'.repeat(20)
      const refused = await run((trx) => trx(table).insert({ x: 65, t: `${secret}!` }))
      expect(refused).toMatchObject({ code: 'ROWS_REJECTED', message: expect.stringContaining('1406') })
      for (const text of [refused?.message, JSON.stringify(refused?.cause), String(refused?.cause)])
        expect(text).not.toContain(secret)
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
      ' /* a comment */ -- and a line\n# another\n commit',
      'rollback',
      'BEGIN',
      'BEGIN NOT ATOMIC COMMIT; END',
      'START TRANSACTION',
      'SAVEPOINT a',
      'RELEASE SAVEPOINT a',
      'XA START "a"',
      "PREPARE s FROM 'COMMIT'",
      ';;COMMIT',
      '/*!40000 COMMIT */',
      '/*M! COMMIT */',
      'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
      'SET autocommit = 1',
      'SET STATEMENT max_statement_time = 1 FOR COMMIT',
      'LOCK TABLES sink WRITE',
      'UNLOCK TABLES',
      'FLUSH TABLES',
      'USE mysql',
      'CREATE TABLE a (x int)',
      'ALTER TABLE a ADD b int',
      'DROP TABLE sink',
      'TRUNCATE sink',
      'RENAME TABLE sink TO sunk',
      'ANALYZE TABLE sink',
      "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE sink",
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
      for (const sql of [`INSERT INTO ${table} (x) VALUES (90); COMMIT`, `SELECT 1; COMMIT; BEGIN`]) {
        expect(await run((trx) => trx.raw(sql))).toMatchObject({
          code: 'DATABASE_REFUSED',
          message: expect.stringMatching(/syntax .* near .*COMMIT/),
        })
        expect(await run((trx) => trx.raw(`${sql} /* ? */`, [1]))).toMatchObject({ code: 'DATABASE_REFUSED' })
      }
      expect(await stored()).not.toContain(90)
    })

    test('transactions, streams and schema builders are refused', async () => {
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
            .raw('SELECT sleep(0.1)')
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
      for (const error of await Promise.all(late))
        expect(error).toMatchObject({ code: 'JOB_FUNCTION_FAILED' })
      expect(await stored()).not.toContain(110)
      expect(await stored()).not.toContain(111)
    })

    test('a function that waits for something else for too long is ended with its session', async () => {
      const plan = mysql({ connectionString: db.url, idleInTransactionTimeoutMs: 1_000 })
      const hasty = await db.connect('job', systemRuntime, 'test', plan)
      const trx = await hasty.begin('batch')
      await expect(trx.runUserCode(() => new Promise(() => {}))).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
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

    test('a statement larger than the server takes is refused, and not sent', async () => {
      const [settings] = await db.rows('SELECT @@max_allowed_packet AS packet')
      const text = 'x'.repeat(Number(settings?.packet))
      expect(await run((trx) => trx.raw('SELECT ? AS t', [text]))).toMatchObject({
        message: expect.stringMatching(/max_allowed_packet/),
      })
      const rows = Array.from({ length: 70_000 }, (_, i) => ({ x: 1_000_000 + i }))
      expect(await run((trx) => trx(table).insert(rows))).toBeNull()
      await db.rows(`DELETE FROM ${table} WHERE x >= 1000000`)
    })

    test('what a trigger refuses with SIGNAL is the data’s fault', async () => {
      const checked = await db.table('checked', 'x int')
      await db.rows(
        `CREATE TRIGGER refuse BEFORE INSERT ON ${checked} FOR EACH ROW
       BEGIN IF NEW.x < 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x is negative'; END IF; END`,
      )
      expect(await run((trx) => trx(checked).insert({ x: -1 }))).toMatchObject({
        code: 'ROWS_REJECTED',
        message: expect.stringContaining('x is negative'),
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
      expect(refused).toMatchObject({ code: 'DATABASE_REFUSED', message: expect.stringContaining('1452') })
    })
  })
})
