import { randomUUID } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { type Connection as Client, createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import { createMysqlDialect } from '../../src/database/mysql/dialect.ts'
import { type MysqlOptions, mysql } from '../../src/database/mysql/options.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { MysqlFixture, mysqlFlavours } from '../support/mysql-fixture.ts'
import { claimTopic } from '../support/postgres-fixture.ts'

const partition = { topic: 'topic', partition: 0 }

describe.each(mysqlFlavours)('%s', (flavour) => {
  const db = new MysqlFixture(flavour)
  /** An account with rights on rows of the database and nothing else. */
  const modest = { user: `modest_${randomUUID().slice(0, 8)}`, password: "p@ss:/w'ord\\" }

  beforeAll(async () => {
    await db.open()
    await db.user(modest.user, modest.password, [`SELECT, INSERT, UPDATE, DELETE, EXECUTE ON ${db.schema}.*`])
  })
  afterAll(() => db.drop())

  const modestPlan = () => mysql({ connectionString: db.urlAs(modest) })

  /** A job whose owner has advanced its position and is stopped: connected, silent, holding the row. */
  async function stoppedOwner(job: string, plan = db.plan): Promise<Connection> {
    const claimer = await db.connect(job)
    const claimId = await claimTopic(claimer, job, 'topic', 1)
    await claimer.close()
    const owner = await db.connect(job, systemRuntime, 'stopped', plan)
    const trx = await owner.begin('batch')
    const range = { ...partition, from: 0n, until: 1n }
    expect(await trx.advanceRanges(job, [{ range, epoch: 1n, claimId, leaderEpoch: 0 }])).toBe(1)
    return owner
  }

  /** Waits for the row of `job`; the answer is its position. */
  async function claimBehind(job: string, plan = db.plan) {
    const claimer = await db.connect(job, systemRuntime, 'claimer', plan)
    const trx = await claimer.begin('claim')
    const waiting = trx.lockPositions(job, [partition])
    await db.untilBlocked(claimer)
    return { claimer, trx, waiting }
  }

  describe('ending the sessions that block a claim', () => {
    test('an owner that is stopped is ended, and the claim goes on at once', async () => {
      const owner = await stoppedOwner('stopped')
      const { claimer, trx, waiting } = await claimBehind('stopped')
      const watcher = await db.connect('stopped')
      const started = performance.now()
      const blockers = await watcher.endBlockers(claimer.backend, 'stopped')
      expect(blockers).toEqual([
        {
          backend: { id: owner.backend.id, startedAt: '' },
          application: expect.stringMatching(/^oncesink:[0-9a-f]{12}:\d+ root@/),
          ended: true,
        },
      ])
      const [row] = await waiting
      expect(performance.now() - started).toBeLessThan(2_000)
      expect(row?.nextOffset).toBe(0n)
      await trx.rollback()
      expect(await watcher.endBlockers(claimer.backend, 'stopped')).toEqual([])
      await eventually(() => owner.broken)
    })

    test('an owner in the middle of a statement that lasts is ended as well', async () => {
      const claimId = await claimTopic(await db.connect('busy'), 'busy', 'topic', 1)
      const owner = await db.connect('busy')
      const batch = await owner.begin('batch')
      const range = { ...partition, from: 0n, until: 1n }
      await batch.advanceRanges('busy', [{ range, epoch: 1n, claimId, leaderEpoch: 0 }])
      const running = batch
        .runUserCode((knex) => knex.raw('SELECT sleep(30)'))
        .catch((error: unknown) => error)
      const { claimer, trx, waiting } = await claimBehind('busy')
      const started = performance.now()
      // Its process is gone: the server does not notice while the statement runs.
      owner.destroy()
      await (await db.connect('busy')).endBlockers(claimer.backend, 'busy')
      await waiting
      expect(performance.now() - started).toBeLessThan(3_000)
      await running
      await trx.rollback()
    })

    test('without the right to see lock waits a stopped owner is ended all the same, and no other claim', async () => {
      const plan = modestPlan()
      const owner = await stoppedOwner('modest', plan)
      const first = await claimBehind('modest', plan)
      const second = await claimBehind('modest', plan)
      const watcher = await db.connect('modest', systemRuntime, 'watcher', plan)
      // Who does not wait is not helped.
      expect(await watcher.endBlockers(owner.backend, 'modest')).toEqual([])
      // A process that works, and has the word at this moment: it has none of the locks.
      const healthy = await db.connect('modest', systemRuntime, 'healthy', plan)
      const ended = await eventually(async () => {
        expect(await healthy.isWritable()).toBe(true)
        const blockers = await watcher.endBlockers(second.claimer.backend, 'modest')
        return blockers.length > 0 && blockers
      })
      expect(ended).toEqual([
        { backend: { id: owner.backend.id, startedAt: '' }, application: expect.any(String), ended: true },
      ])
      await first.waiting
      await first.trx.rollback()
      await second.waiting
      await second.trx.rollback()
      const others = [first.claimer, second.claimer, watcher, healthy]
      expect(others.some(({ broken }) => broken)).toBe(false)
      await eventually(() => owner.broken)
    })

    test('without that right nobody is ended who has worked a moment ago, when the lock is somebody else’s', async () => {
      const plan = modestPlan()
      await claimTopic(await db.connect('guess'), 'guess', 'topic', 1)
      const foreign: Client = await createConnection({ uri: db.url })
      await foreign.query('START TRANSACTION')
      await foreign.query("SELECT * FROM oncesink_offsets WHERE job = 'guess' FOR UPDATE")
      const healthy = await db.connect('guess', systemRuntime, 'healthy', plan)
      const { claimer, trx, waiting } = await claimBehind('guess', plan)
      const watcher = await db.connect('guess', systemRuntime, 'watcher', plan)
      expect(await healthy.isWritable()).toBe(true)
      expect(await watcher.endBlockers(claimer.backend, 'guess')).toEqual([])
      await foreign.query('ROLLBACK')
      await foreign.end()
      await waiting
      await trx.rollback()
      expect(await healthy.isWritable()).toBe(true)
    })

    test('sessions of others are told and left alone: another job’s, and those that are not oncesink', async () => {
      await claimTopic(await db.connect('mine'), 'mine', 'topic', 1)
      const foreign: Client = await createConnection({ uri: db.url })
      await foreign.query('START TRANSACTION')
      await foreign.query("SELECT * FROM oncesink_offsets WHERE job = 'mine' FOR UPDATE")
      const { claimer, trx, waiting } = await claimBehind('mine')
      const watcher = await db.connect('mine')
      expect(await watcher.endBlockers(claimer.backend, 'mine')).toMatchObject([
        { backend: { id: foreign.threadId }, application: expect.stringMatching(/^root@/), ended: false },
      ])
      await foreign.query('COMMIT')
      await waiting
      // Now the claim of `mine` holds the row, and a session of another job waits for it.
      const other = await db.connect('other')
      const otherTrx = await other.begin('claim')
      const otherWaits = otherTrx.lockPositions('mine', [partition])
      await db.untilBlocked(other)
      expect(await watcher.endBlockers(other.backend, 'other')).toMatchObject([
        { backend: { id: claimer.backend.id }, ended: false },
      ])
      await trx.rollback()
      await otherWaits
      await otherTrx.rollback()
      await foreign.end()
    })

    test('the same job name in another database is another job', async () => {
      await stoppedOwner('twin')
      const { claimer, trx, waiting } = await claimBehind('twin')
      const elsewhere = await createMysqlDialect(
        mysql({ connectionString: db.url, schema: `${db.schema}_other` }),
        systemRuntime,
      ).connect({ job: 'twin', owner: 'test' })
      expect(await elsewhere.endBlockers(claimer.backend, 'twin')).toMatchObject([{ ended: false }])
      await elsewhere.close()
      expect(await (await db.connect('twin')).endBlockers(claimer.backend, 'twin')).toMatchObject([
        { ended: true },
      ])
      await waiting
      await trx.rollback()
    })

    test('of two claims behind one stopped owner only the owner is ended', async () => {
      const owner = await stoppedOwner('queue')
      const first = await claimBehind('queue')
      const second = await claimBehind('queue')
      const watcher = await db.connect('queue')
      const blockers = await watcher.endBlockers(second.claimer.backend, 'queue')
      expect(blockers.filter((blocker) => blocker.ended)).toMatchObject([
        { backend: { id: owner.backend.id } },
      ])
      await first.waiting
      await first.trx.rollback()
      await second.waiting
      await second.trx.rollback()
    })

    test('an id that was given to another session is not hit', async () => {
      await stoppedOwner('reused')
      const { claimer, trx, waiting } = await claimBehind('reused')
      const watcher = await db.connect('reused')
      const earlier = { ...claimer.backend, startedAt: '2020-01-01 00:00:00.000000' }
      expect(await watcher.endBlockers(earlier, 'reused')).toEqual([])
      expect(await watcher.endBlockers(claimer.backend, 'reused')).toMatchObject([{ ended: true }])
      await waiting
      await trx.rollback()
    })

    test('the sessions of a job are listed by those who look, without themselves', async () => {
      const looker = await db.connect('listed')
      const one = await db.connect('listed', systemRuntime, 'host:1')
      await db.connect('another')
      expect(await looker.sessionsOf('listed')).toEqual([
        {
          backend: { id: one.backend.id, startedAt: '' },
          // MariaDB keeps what a client says of itself only with performance_schema.
          owner: expect.stringMatching(flavour === 'mysql' ? /^host:1$/ : /./),
        },
      ])
    })
  })

  describe('connecting', () => {
    const url = () => new URL(db.url)
    const connect = (options: MysqlOptions) =>
      createMysqlDialect(mysql({ connectTimeoutMs: 1_000, ...options }), systemRuntime).connect({
        job: 'job',
        owner: 'ünïcode owner with a name that is rather long',
      })

    test('sets every setting that matters, whatever the server’s defaults are', async () => {
      const connection = await connect({ connectionString: db.url, statementTimeoutMs: 4_500 })
      expect(connection.serverVersion).toMatch(flavour === 'mysql' ? /^MySQL [89]\./ : /^MariaDB 1[0-9]\./)
      const trx = await connection.begin('batch')
      await trx
        .runUserCode(async (knex) => {
          const shown = async (name: string) => {
            const [rows] = await knex.raw(`SHOW SESSION VARIABLES LIKE '${name}'`)
            return rows[0]?.Value
          }
          expect(await shown('sql_mode')).toBe(
            'NO_AUTO_VALUE_ON_ZERO,STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
          )
          expect(await shown('time_zone')).toBe('+00:00')
          expect(await shown('character_set_client')).toBe('utf8mb4')
          expect(await shown('character_set_connection')).toBe('utf8mb4')
          expect(await shown('character_set_results')).toBe('utf8mb4')
          expect(await shown('innodb_lock_wait_timeout')).toBe('1')
          expect(await shown('lock_wait_timeout')).toBe('1')
          expect(await shown('autocommit')).toBe('ON')
          expect(await shown('completion_type')).toBe('NO_CHAIN')
          expect(await shown(flavour === 'mysql' ? 'max_execution_time' : 'max_statement_time')).toBe(
            flavour === 'mysql' ? '4500' : '4.500000',
          )
          expect(await shown(flavour === 'mysql' ? 'wait_timeout' : 'idle_transaction_timeout')).toBe('60')
          expect(await shown(flavour === 'mysql' ? 'transaction_isolation' : 'tx_isolation')).toBe(
            'READ-COMMITTED',
          )
          await expect(knex.raw('SELECT 1; SELECT 2')).rejects.toMatchObject({ errno: 1064 })
        })
        .catch((error: unknown) => {
          // The last statement is refused by the server; everything before it was as expected.
          expect(error).toMatchObject({ message: expect.stringContaining('error 1064') })
        })
      await trx.rollback()
      expect(await connection.isWritable()).toBe(true)
      expect(Math.abs((await connection.clockMs()) - Date.now())).toBeLessThan(60_000)
      await connection.close()
      expect(connection.broken).toBe(true)
      await connection.close()
    })

    test('a snapshot is read-only and of one moment', async () => {
      await claimTopic(await db.connect(), 'moment', 'topic', 1)
      const connection = await db.connect()
      const trx = await connection.begin('snapshot')
      await db.rows("UPDATE oncesink_offsets SET next_offset = 7 WHERE job = 'moment'")
      expect((await trx.readPositions('moment'))[0]?.nextOffset).toBe(0n)
      const written = trx.insertJob({ job: 'x', shape: '', codeVersion: '', sinkTables: [], clusterId: '' })
      await expect(written).rejects.toMatchObject({
        code: 'DATABASE_REFUSED',
        message: expect.stringContaining('error 1792'),
      })
      await trx.rollback()
      const after = await connection.begin('snapshot')
      expect((await after.readPositions('moment'))[0]?.nextOffset).toBe(7n)
      await after.rollback()
      await connection.close()
    })

    test('wrong credentials, hosts and databases are DATABASE_REFUSED, with the cure and without the password', async () => {
      const noDatabase = url()
      noDatabase.pathname = '/no_such_database'
      await expect(connect({ connectionString: noDatabase.href })).rejects.toMatchObject({
        code: 'DATABASE_REFUSED',
        message: expect.stringMatching(/no_such_database.*error 1049.*Create the database/s),
      })
      const error = await connect({
        connectionString: db.urlAs({ ...modest, password: 'a-secret-word' }),
      }).catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        code: 'DATABASE_REFUSED',
        message: expect.stringContaining('Check user and password'),
      })
      expect(String(error)).toMatch(
        new RegExp(`${noDatabase.hostname}:${noDatabase.port}/.* as ${modest.user}`),
      )
      expect(String(error)).not.toContain('a-secret-word')
      const elsewhere = url()
      elsewhere.username = modest.user
      elsewhere.password = encodeURIComponent(modest.password)
      elsewhere.pathname = '/mysql'
      await expect(connect({ connectionString: elsewhere.href })).rejects.toMatchObject({
        code: 'DATABASE_REFUSED',
        message: expect.stringMatching(/error 1044.*Grant this user the privileges/s),
      })
    })

    test('single settings connect like a connection string; a password may come from a function, asked each time', async () => {
      const { hostname, port } = url()
      const settings = { host: hostname, port: Number(port), database: db.schema, user: modest.user }
      await (await connect({ ...settings, password: modest.password })).close()
      const asked: string[] = []
      const dialect = createMysqlDialect(
        mysql({
          ...settings,
          password: async () => {
            asked.push('asked')
            return asked.length === 3 ? 'expired' : modest.password
          },
        }),
        systemRuntime,
      )
      for (const times of [1, 2]) {
        await (await dialect.connect({ job: 'job', owner: 'o' })).close()
        expect(asked).toHaveLength(times)
      }
      await expect(dialect.connect({ job: 'job', owner: 'o' })).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
        message: expect.stringContaining('asked again'),
      })
    })

    test('more connections than the user may have are DATABASE_UNAVAILABLE: there may be one later', async () => {
      const user = `few_${randomUUID().slice(0, 8)}`
      await db.user(user, 'x', [`SELECT ON ${db.schema}.*`], 'WITH MAX_USER_CONNECTIONS 1')
      const plan = { connectionString: db.urlAs({ user, password: 'x' }) }
      const first = await connect(plan)
      await expect(connect(plan)).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
        message: expect.stringMatching(/error (1203|1226)/),
      })
      await first.close()
    })

    test('a port where nobody listens and a name that nobody has are DATABASE_UNAVAILABLE', async () => {
      const nobody = { user: 'u', password: 'p', database: 'd' }
      await expect(connect({ host: '127.0.0.1', port: 1, ...nobody })).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
        message: expect.stringContaining('127.0.0.1:1'),
      })
      await expect(connect({ host: 'no-such-host.invalid', ...nobody })).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
      })
    })

    test('a server that accepts and says nothing is given up in time', async () => {
      const sockets: Socket[] = []
      const server = createServer((socket) => sockets.push(socket.on('error', () => {})))
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      const started = performance.now()
      await expect(
        connect({ host: '127.0.0.1', port, user: 'u', database: 'd', connectTimeoutMs: 200 }),
      ).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
      expect(performance.now() - started).toBeLessThan(2_000)
      for (const socket of sockets) socket.destroy()
      server.close()
    })

    test('a connection is for one transaction at a time', async () => {
      const connection = await db.connect()
      const trx = await connection.begin('batch')
      await expect(connection.begin('batch')).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
      await expect(connection.pruneLedger('job', 1)).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
      const first = trx.readPositions('job')
      await expect(trx.readPositions('job')).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
      await first
      await trx.rollback()
      await trx.rollback()
      await expect(trx.readPositions('job')).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
      await connection.close()
    })
  })
})
