import { randomUUID } from 'node:crypto'
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net'
import { type Connection as Client, createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection, Dialect, LedgerWrite } from '../../src/database/dialect.ts'
import { beginTransaction } from '../../src/database/mysql/begin.ts'
import { Canary } from '../../src/database/mysql/canary.ts'
import { openSession } from '../../src/database/mysql/connect.ts'
import { createMysqlDialect } from '../../src/database/mysql/dialect.ts'
import { mysql } from '../../src/database/mysql/options.ts'
import { TableCatalog } from '../../src/database/mysql/table-catalog.ts'
import { MysqlTransaction } from '../../src/database/mysql/transaction.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { MysqlFixture, mysqlFlavours } from '../support/mysql-fixture.ts'
import { claimTopic } from '../support/postgres-fixture.ts'

const name = { job: 'job', owner: 'test' }

/** Passes everything on, until a COMMIT comes by. */
class CommitCutter {
  #server: Server | null = null
  readonly #sockets = new Set<Socket>()
  #next: 'before' | 'after' | null = null
  cuts = 0

  async start(target: URL): Promise<number> {
    this.#server = createServer((client) => {
      const server = connectTcp(Number(target.port), target.hostname)
      for (const socket of [client, server]) this.#sockets.add(socket.on('error', () => {}))
      const cut = () => {
        this.#next = null
        this.cuts += 1
        client.destroy()
        server.destroy()
      }
      let answerIsLost = false
      client.on('data', (data) => {
        const commits = data.includes('COMMIT')
        if (commits && this.#next === 'before') return cut()
        if (commits && this.#next === 'after') answerIsLost = true
        server.write(data)
      })
      server.on('data', (data) => (answerIsLost ? cut() : client.write(data)))
      client.on('close', () => server.destroy())
      server.on('close', () => client.destroy())
    })
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve))
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  /** Cuts at the next COMMIT: before it reaches the server, or when the server has answered. */
  at(moment: 'before' | 'after'): void {
    this.#next = moment
  }

  resetAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  stop(): void {
    this.resetAll()
    this.#server?.close()
  }
}

describe.each(mysqlFlavours)('%s', (flavour) => {
  const db = new MysqlFixture(flavour)
  const cutter = new CommitCutter()
  let dialect: Dialect
  let table: string

  beforeAll(async () => {
    await db.open()
    const port = await cutter.start(new URL(db.url))
    dialect = createMysqlDialect(
      mysql({ connectionString: db.urlAs({ port }), statementTimeoutMs: 3_000, connectTimeoutMs: 1_000 }),
      systemRuntime,
    )
    table = await db.table('sink', 'x int PRIMARY KEY')
    await db.admin.query('CREATE PROCEDURE hidden_commit() BEGIN COMMIT; START TRANSACTION; END')
    await db.admin.query('CREATE PROCEDURE hidden_ddl() BEGIN TRUNCATE TABLE scratch; END')
    await db.admin.query('CREATE PROCEDURE hidden_rollback() BEGIN ROLLBACK; END')
    const failing = (name: string, first: string, sqlState: string, errno: number) =>
      db.admin.query(
        `CREATE PROCEDURE ${name}() BEGIN ${first} SIGNAL SQLSTATE '${sqlState}' SET MYSQL_ERRNO = ${errno}; END`,
      )
    await failing('fails', '', '45000', 1_644)
    await failing('commits_and_fails', 'COMMIT;', '45000', 1_644)
    await failing('commits_and_deadlocks', 'COMMIT; START TRANSACTION;', '40001', 1_213)
    await failing('rolls_back_and_fails', 'ROLLBACK;', '45000', 1_644)
    await failing('rolls_back_and_times_out', 'ROLLBACK;', 'HY000', 1_205)
    await failing('rolls_back_and_deadlocks', 'ROLLBACK;', '40001', 1_213)
    await db.admin.query(`CREATE PROCEDURE swallows_deadlock() BEGIN
      DECLARE CONTINUE HANDLER FOR 1213 BEGIN END;
      UPDATE sink SET x = x WHERE x = 60;
      UPDATE sink SET x = x WHERE x = 61;
      INSERT INTO scratch VALUES (60);
    END`)
    await db.table('scratch', 'x int')
  })
  afterAll(async () => {
    cutter.stop()
    await db.drop()
  })

  const stored = async (x: number) => (await db.rows('SELECT 1 FROM sink WHERE x = ?', [x])).length === 1
  const nextOffset = async (job: string) => {
    const [row] = await db.rows('SELECT next_offset FROM oncesink_offsets WHERE job = ?', [job])
    return Number(row?.next_offset)
  }

  async function insert(connection: Connection, x: number) {
    const trx = await connection.begin('batch')
    await trx.appendRows({ table, columns: ['x'], rows: [[x]] })
    return trx
  }

  describe('COMMIT', () => {
    test('an answer that is lost is unknown, and the transaction is really committed', async () => {
      const connection = await dialect.connect(name)
      const trx = await insert(connection, 1)
      const before = cutter.cuts
      cutter.at('after')
      expect(await trx.commit()).toMatchObject({
        kind: 'unknown',
        error: { code: 'COMMIT_OUTCOME_UNKNOWN' },
      })
      expect(cutter.cuts).toBe(before + 1)
      expect(connection.broken).toBe(true)
      expect(await stored(1)).toBe(true)
      await expect(connection.begin('batch')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    })

    test('one that never reaches the server is unknown, and really not committed', async () => {
      const connection = await dialect.connect(name)
      const trx = await insert(connection, 2)
      const before = cutter.cuts
      cutter.at('before')
      expect(await trx.commit()).toMatchObject({ kind: 'unknown' })
      expect(cutter.cuts).toBe(before + 1)
      expect(connection.broken).toBe(true)
      expect(await stored(2)).toBe(false)
    })

    test('one on a connection that is known to be lost is not sent: aborted', async () => {
      const connection = await dialect.connect(name)
      const trx = await insert(connection, 3)
      cutter.resetAll()
      await eventually(() => connection.broken)
      expect(await trx.commit()).toMatchObject({ kind: 'aborted', error: { code: 'DATABASE_UNAVAILABLE' } })
      expect(await stored(3)).toBe(false)
    })

    test('a transaction in which an operation failed is not committed, and the connection is free again', async () => {
      const connection = await dialect.connect(name)
      const trx = await insert(connection, 7)
      await expect(trx.appendRows({ table, columns: ['x'], rows: [[7]] })).rejects.toMatchObject({
        code: 'ROWS_REJECTED',
      })
      await expect(trx.appendRows({ table, columns: ['x'], rows: [[8]] })).rejects.toMatchObject({
        code: 'INVARIANT_VIOLATED',
      })
      expect(await trx.commit()).toMatchObject({ kind: 'aborted', error: { code: 'INVARIANT_VIOLATED' } })
      expect(await stored(7)).toBe(false)
      expect(await (await insert(connection, 8)).commit()).toEqual({ kind: 'committed' })
      await connection.close()
    })
  })

  describe('a transaction that ended before its COMMIT', () => {
    const ledgerRow = (claimId: string): LedgerWrite => ({
      range: { topic: 'topic', partition: 0, from: 0n, until: 1n },
      kind: 'batch',
      incarnation: 0,
      epoch: 1n,
      claimId,
      batchId: randomUUID(),
      records: 1,
      deadLetters: 0,
      digest: null,
    })

    const [committed, rolledBack] = [
      /ended before its COMMIT.* was committed:.*in a procedure.*oncesink verify/s,
      /ended before its COMMIT.* was rolled back:.*in a procedure.*oncesink verify/s,
    ]

    /** A batch of a job of its own whose position is advanced; `moved` is where the stored position ends up. */
    async function advancedBatch(job: string) {
      const claimer = await db.connect(job)
      const claimId = await claimTopic(claimer, job, 'topic', 1)
      await claimer.close()
      const connection = await db.connect(job)
      const trx = await connection.begin('batch')
      const row = ledgerRow(claimId)
      expect(await trx.advanceRanges(job, [{ range: row.range, epoch: 1n, claimId, leaderEpoch: 0 }])).toBe(1)
      return { connection, trx, row }
    }

    test.each([
      ['hidden_commit', committed, 1],
      ['hidden_ddl', committed, 1],
      ['hidden_rollback', rolledBack, 0],
      // Their own errors would be taken for the data's fault, or for a passing one.
      ['commits_and_fails', committed, 1],
      ['commits_and_deadlocks', committed, 1],
      ['rolls_back_and_fails', rolledBack, 0],
      ['rolls_back_and_times_out', rolledBack, 0],
    ])(
      '%s in a procedure of the job is found when the job’s code is done, and nothing more is written',
      async (procedure, message, moved) => {
        const job = `job of ${procedure}`
        const { connection, trx, row } = await advancedBatch(job)
        await expect(trx.runUserCode((knex) => knex.raw(`CALL ${procedure}()`))).rejects.toMatchObject({
          code: 'INVARIANT_VIOLATED',
          message: expect.stringMatching(message),
        })
        await expect(trx.writeLedger(job, [row])).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
        await trx.rollback()
        // The ledger does not account for the position that was committed without its rows: verify sees it.
        expect(await nextOffset(job)).toBe(moved)
        expect(
          await db.rows("SELECT 1 FROM oncesink_batches WHERE job = ? AND kind = 'batch'", [job]),
        ).toEqual([])
        await connection.close()
      },
    )

    test.each([
      ['fails', 'ROWS_REJECTED'],
      // As a deadlock of the server's own does.
      ['rolls_back_and_deadlocks', 'TRANSACTION_ABORTED'],
    ])('%s is what its error says', async (procedure, code) => {
      const { connection, trx } = await advancedBatch(`job of ${procedure}`)
      await expect(trx.runUserCode((knex) => knex.raw(`CALL ${procedure}()`))).rejects.toMatchObject({ code })
      await trx.rollback()
      expect(await nextOffset(`job of ${procedure}`)).toBe(0)
      await connection.close()
    })

    test('a deadlock that a procedure swallows has taken the positions back, and what came after it may be stored', async () => {
      await db.rows('INSERT INTO sink VALUES (60), (61)')
      const { connection, trx } = await advancedBatch('swallowed')
      const other: Client = await createConnection({ uri: db.url })
      await other.query('START TRANSACTION')
      await other.query('INSERT INTO sink VALUES (62), (63), (64), (65)')
      await other.query('UPDATE sink SET x = x WHERE x = 61')
      const blocked = trx.runUserCode((knex) => knex.raw('CALL swallows_deadlock()'))
      await db.untilBlocked(connection)
      const closing = other.query('UPDATE sink SET x = x WHERE x = 60')
      await expect(blocked).rejects.toMatchObject({
        code: 'INVARIANT_VIOLATED',
        message: expect.stringMatching(rolledBack),
      })
      await closing
      await other.query('ROLLBACK')
      await other.end()
      await trx.rollback()
      expect(await nextOffset('swallowed')).toBe(0)
      // MariaDB stays in a transaction after the deadlock; MySQL does not, so that each statement commits by itself.
      const rowsAfter = await db.rows('SELECT 1 FROM scratch WHERE x = 60')
      expect(rowsAfter).toHaveLength(flavour === 'mysql' ? 1 : 0)
      await connection.close()
    })

    test('whatever gets past every guard is found before COMMIT is sent', async () => {
      const { session, facts } = await openSession(db.plan, name, systemRuntime)
      await beginTransaction(session, 'batch')
      const canary = new Canary(session, systemRuntime.random)
      await canary.set()
      const trx = new MysqlTransaction({
        session,
        runtime: systemRuntime,
        tables: new TableCatalog(session, facts),
        canary,
        sessionState: facts.state,
        onEnd: () => {},
      })
      await session.send('INSERT INTO sink VALUES (20)', [])
      await session.send('COMMIT', [])
      await session.send('START TRANSACTION', [])
      await session.send('INSERT INTO sink VALUES (21)', [])
      expect(await trx.commit()).toMatchObject({
        kind: 'aborted',
        error: { code: 'INVARIANT_VIOLATED', disposition: 'crash' },
      })
      expect(session.broken).toBe(false)
      expect([await stored(20), await stored(21)]).toEqual([true, false])
      await session.end()
    })

    test('a deadlock, which ends the whole transaction, is TRANSACTION_ABORTED; what came after it would have been stored', async () => {
      await db.rows('INSERT INTO sink VALUES (30), (31)')
      const other: Client = await createConnection({ uri: db.url })
      const connection = await db.connect()
      const trx = await connection.begin('batch')
      const update = (x: number) => (knex: { raw: (sql: string) => Promise<unknown> }) =>
        knex.raw(`UPDATE sink SET x = x WHERE x = ${x}`)
      await trx.runUserCode(update(30))
      await other.query('START TRANSACTION')
      // The other one has written more: the server picks the transaction that has written less.
      await other.query('INSERT INTO sink VALUES (32), (33), (34), (35)')
      await other.query('UPDATE sink SET x = x WHERE x = 31')
      const blocked = trx.runUserCode(update(31))
      await db.untilBlocked(connection)
      const closing = other.query('UPDATE sink SET x = x WHERE x = 30').catch(() => {})
      await expect(blocked).rejects.toMatchObject({
        code: 'TRANSACTION_ABORTED',
        disposition: 'retry',
        message: expect.stringContaining('error 1213'),
      })
      await expect(trx.appendRows({ table, columns: ['x'], rows: [[36]] })).rejects.toMatchObject({
        code: 'INVARIANT_VIOLATED',
      })
      expect(await trx.commit()).toMatchObject({ kind: 'aborted' })
      await closing
      await other.query('ROLLBACK')
      await other.end()
      expect(await stored(36)).toBe(false)
      expect(await (await insert(connection, 37)).commit()).toEqual({ kind: 'committed' })
      await connection.close()
    })

    test('a lock timeout undoes one statement only: the whole transaction is rolled back', async () => {
      await db.rows('INSERT INTO sink VALUES (40)')
      const other: Client = await createConnection({ uri: db.url })
      await other.query('START TRANSACTION')
      await other.query('UPDATE sink SET x = x WHERE x = 40')
      const plan = mysql({ connectionString: db.url, lockTimeoutMs: 10 })
      const connection = await db.connect('job', systemRuntime, 'test', plan)
      const trx = await insert(connection, 41)
      await expect(
        trx.runUserCode((knex) => knex.raw('UPDATE sink SET x = x WHERE x = 40')),
      ).rejects.toMatchObject({
        code: 'TRANSACTION_ABORTED',
        message: expect.stringContaining('error 1205'),
      })
      expect(await trx.commit()).toMatchObject({ kind: 'aborted' })
      await other.query('ROLLBACK')
      await other.end()
      expect(await stored(41)).toBe(false)
      // Whatever the first one had locked is free.
      expect(await (await insert(connection, 41)).commit()).toEqual({ kind: 'committed' })
      await connection.close()
    })
  })

  describe('a lost connection', () => {
    test('a session that is killed breaks the connection, and says what happened', async () => {
      const connection = await db.connect()
      const trx = await connection.begin('batch')
      await db.rows(`KILL ${connection.backend.id}`)
      await expect(trx.readPositions('job')).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
        disposition: 'retry',
      })
      expect(connection.broken).toBe(true)
      await trx.rollback()
      await connection.close()
    })

    test('a session that is killed while nothing runs is noticed', async () => {
      const connection = await db.connect()
      await db.rows(`KILL ${connection.backend.id}`)
      await eventually(() => connection.broken)
      await expect(connection.begin('batch')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    })

    test('a transaction that stands idle for too long is ended by the server', async () => {
      const plan = mysql({ connectionString: db.url, idleInTransactionTimeoutMs: 900 })
      const connection = await db.connect('job', systemRuntime, 'test', plan)
      const trx = await insert(connection, 50)
      await eventually(() => connection.broken)
      expect(await trx.commit()).toMatchObject({ kind: 'aborted', error: { code: 'DATABASE_UNAVAILABLE' } })
      expect(await stored(50)).toBe(false)
    })

    test.each([
      [
        'that reads',
        'SELECT count(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c',
      ],
      [
        'that writes',
        // One row: the server takes a killed statement's rows back before it answers, however many they are.
        'INSERT INTO scratch SELECT count(*) > 0 FROM information_schema.columns a, information_schema.columns b, information_schema.columns c',
      ],
    ])('a statement %s and runs too long is ended, and the transaction can be run again', async (_, sql) => {
      const plan = mysql({ connectionString: db.url, statementTimeoutMs: 3_000 })
      const connection = await db.connect('job', systemRuntime, 'test', plan)
      const trx = await connection.begin('batch')
      await expect(trx.runUserCode((knex) => knex.raw(sql))).rejects.toMatchObject({
        code: 'STATEMENT_TIMEOUT',
        disposition: 'retry',
        message: expect.stringContaining('statementTimeoutMs'),
      })
      await trx.rollback()
      expect(connection.broken).toBe(false)
      expect(await connection.isWritable()).toBe(true)
      await connection.close()
    })

    test('a statement that runs too long on a server that does not answer KILL QUERY is given up with its connection', async () => {
      const deaf = createServer((client) => {
        const server = connectTcp(Number(new URL(db.url).port), new URL(db.url).hostname)
        client.on('error', () => {}).on('close', () => server.destroy())
        server.on('error', () => {}).on('data', (data) => client.write(data))
        client.on('data', (data) => data.includes('KILL QUERY') || server.write(data))
      })
      await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve))
      const address = deaf.address()
      const port = typeof address === 'object' && address ? address.port : 0
      // A hundred times as fast.
      const sleep = (ms: number, signal?: AbortSignal) => systemRuntime.clock.sleep(ms / 100, signal)
      const runtime = { ...systemRuntime, clock: { ...systemRuntime.clock, sleep } }
      const plan = mysql({ connectionString: db.urlAs({ port }), statementTimeoutMs: 60_000 })
      const connection = await db.connect('job', runtime, 'test', plan)
      const trx = await connection.begin('batch')
      await expect(trx.runUserCode((knex) => knex.raw('SELECT sleep(60)'))).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
      })
      expect(connection.broken).toBe(true)
      await trx.rollback()
      deaf.close()
    })

    test('a statement larger than max_allowed_packet is not sent, and the connection stays', async () => {
      const { session } = await openSession(db.plan, name, systemRuntime)
      const large = 'x'.repeat(session.maxAllowedPacket)
      const select = (scope: 'own' | 'sink') =>
        session.query('SELECT ? AS x', [large], { scope, doing: 'test' })
      await expect(select('own')).rejects.toMatchObject({
        code: 'DATABASE_REFUSED',
        message: expect.stringContaining('max_allowed_packet'),
      })
      await expect(select('sink')).rejects.toMatchObject({ code: 'ROWS_REJECTED' })
      expect(session.broken).toBe(false)
      await session.end()
    })

    test('errors do not carry the statement and its values', async () => {
      const { session } = await openSession(db.plan, name, systemRuntime)
      const failed = session.query("SELECT 'a secret' FROM no_such_table", [], {
        scope: 'own',
        doing: 'test',
      })
      const error = await failed.catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'DATABASE_REFUSED', cause: { errno: 1146 } })
      expect(JSON.stringify((error as Error).cause)).not.toContain('a secret')
      await session.end()
    })
  })
})
