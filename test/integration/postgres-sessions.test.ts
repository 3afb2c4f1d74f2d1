import { randomUUID } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import { createPostgresDialect } from '../../src/database/postgres/dialect.ts'
import { type PostgresOptions, postgres } from '../../src/database/postgres/options.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { claimTopic, PostgresFixture } from '../support/postgres-fixture.ts'
import { postgresService } from '../support/postgres-service.ts'

const db = new PostgresFixture()
let table: string

beforeAll(async () => {
  await db.open()
  table = await db.table('sink', 'x int, t text')
})
afterAll(() => db.drop())

const partition = { topic: 'topic', partition: 0 }

/** A job whose owner has advanced its position and is stopped inside COPY: connected, silent, holding the row. */
async function stoppedOwner(job: string): Promise<Connection> {
  const claimId = await claimTopic(await db.connect(job), job, 'topic', 1)
  let stopped = () => {}
  const insideCopy = new Promise<void>((resolve) => {
    stopped = resolve
  })
  const faultPoints = {
    reach: () => {
      stopped()
      return new Promise<void>(() => {})
    },
  }
  const owner = await db.connect(job, { ...systemRuntime, faultPoints }, 'stopped')
  const trx = await owner.begin('batch')
  const range = { ...partition, from: 0n, until: 1n }
  expect(await trx.advanceRanges(job, [{ range, epoch: 1n, claimId, leaderEpoch: 0 }])).toBe(1)
  const rows = Array.from({ length: 1_000 }, (_, x) => [x, 'x'.repeat(100)])
  // Its COPY ends with the session, or with the test.
  trx.appendRows({ table, columns: ['x', 't'], rows }).catch(() => {})
  await insideCopy
  return owner
}

/** Waits for the row of `job`; the answer is its position. */
async function claimBehind(job: string) {
  const claimer = await db.connect(job)
  const trx = await claimer.begin('claim')
  const waiting = trx.lockPositions(job, [partition])
  await db.untilBlocked(claimer)
  return { claimer, trx, waiting }
}

describe('ending the sessions that block a claim', () => {
  test('an owner that is stopped inside COPY is ended, and the claim goes on within a second', async () => {
    const owner = await stoppedOwner('stopped')
    const { claimer, trx, waiting } = await claimBehind('stopped')
    const watcher = await db.connect('stopped')
    const started = performance.now()
    const blockers = await watcher.endBlockers(claimer.backend, 'stopped')
    expect(blockers).toEqual([
      {
        backend: owner.backend,
        application: expect.stringMatching(/^oncesink:[0-9a-f]{12}:stopped$/),
        ended: true,
      },
    ])
    const [row] = await waiting
    expect(performance.now() - started).toBeLessThan(1_000)
    expect(row?.nextOffset).toBe(0n)
    await trx.rollback()
    expect(await watcher.endBlockers(claimer.backend, 'stopped')).toEqual([])
    await eventually(() => owner.broken)
  })

  test('sessions of others are told and left alone: another job’s, and those that are not oncesink', async () => {
    await claimTopic(await db.connect('mine'), 'mine', 'topic', 1)
    const foreign = new pg.Client({ connectionString: postgresService().url, application_name: 'psql' })
    await foreign.connect()
    await foreign.query('BEGIN')
    await foreign.query(`SELECT FROM ${db.schema}.oncesink_offsets WHERE job = 'mine' FOR UPDATE`)
    const { claimer, trx, waiting } = await claimBehind('mine')
    const watcher = await db.connect('mine')
    const asMine = await watcher.endBlockers(claimer.backend, 'mine')
    expect(asMine).toMatchObject([{ application: 'psql', ended: false }])
    expect(asMine[0]?.backend.startedAt).not.toBe('')
    await foreign.query('COMMIT')
    await waiting
    // Now the claim of `mine` holds the row, and a session of another job waits for it.
    const other = await db.connect('other')
    const otherTrx = await other.begin('claim')
    const otherWaits = otherTrx.lockPositions('mine', [partition])
    await db.untilBlocked(other)
    expect(await watcher.endBlockers(other.backend, 'other')).toMatchObject([
      { backend: claimer.backend, ended: false },
    ])
    await trx.rollback()
    await otherWaits
    await otherTrx.rollback()
    await foreign.end()
  })

  test('the same job name in another schema is another job', async () => {
    await stoppedOwner('twin')
    const { claimer, trx, waiting } = await claimBehind('twin')
    const elsewhere = await createPostgresDialect(
      postgres({ connectionString: postgresService().url, schema: `${db.schema}_other` }),
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
    expect(blockers.filter((blocker) => blocker.ended)).toMatchObject([{ backend: owner.backend }])
    await first.waiting
    await first.trx.rollback()
    await second.waiting
    await second.trx.rollback()
  })

  test('a backend id that was given to another session is not hit', async () => {
    await stoppedOwner('reused')
    const { claimer, trx, waiting } = await claimBehind('reused')
    const watcher = await db.connect('reused')
    const earlier = { ...claimer.backend, startedAt: '2020-01-01 00:00:00+00' }
    expect(await watcher.endBlockers(earlier, 'reused')).toEqual([])
    expect(await watcher.endBlockers(claimer.backend, 'reused')).toMatchObject([{ ended: true }])
    await waiting
    await trx.rollback()
  })

  test('an owner whose process is gone does not hold a claim up, even in the middle of a statement', async () => {
    const claimId = await claimTopic(await db.connect('killed'), 'killed', 'topic', 1)
    const owner = await db.connect('killed')
    const trx = await owner.begin('batch')
    const range = { ...partition, from: 0n, until: 1n }
    await trx.advanceRanges('killed', [{ range, epoch: 1n, claimId, leaderEpoch: 0 }])
    const running = trx.runUserCode((knex) => knex.raw('SELECT pg_sleep(30)')).catch(() => {})
    const { trx: claim, waiting } = await claimBehind('killed')
    const started = performance.now()
    owner.destroy()
    await waiting
    expect(performance.now() - started).toBeLessThan(3_000)
    await running
    await claim.rollback()
  })
})

describe('connecting', () => {
  const url = () => new URL(postgresService().url)
  const connect = (options: PostgresOptions) =>
    createPostgresDialect(postgres({ connectTimeoutMs: 1_000, ...options }), systemRuntime).connect({
      job: 'job',
      owner: 'ünïcode owner with a name that is much longer than PostgreSQL allows it to be',
    })

  test('names the session, bounds its transactions, and keeps UTC and the connection check', async () => {
    const withName = url()
    withName.searchParams.set('application_name', 'mine')
    const connection = await connect({ connectionString: withName.href, statementTimeoutMs: 1_234 })
    expect(connection.serverVersion).toMatch(/^PostgreSQL \d+/)
    const trx = await connection.begin('batch')
    await trx.runUserCode(async (knex) => {
      const shown = async (name: string) => (await knex.raw(`SHOW ${name}`)).rows[0]
      expect(await shown('application_name')).toEqual({
        application_name: expect.stringMatching(/^oncesink:[0-9a-f]{12}:\?n\?code owner with a name/),
      })
      expect(await shown('statement_timeout')).toEqual({ statement_timeout: '1234ms' })
      expect(await shown('lock_timeout')).toEqual({ lock_timeout: '617ms' })
      expect(await shown('idle_in_transaction_session_timeout')).toEqual({
        idle_in_transaction_session_timeout: '1min',
      })
      expect(await shown('client_connection_check_interval')).toEqual({
        client_connection_check_interval: '500ms',
      })
      expect(await shown('TimeZone')).toEqual({ TimeZone: 'UTC' })
      expect(await shown('transaction_isolation')).toEqual({ transaction_isolation: 'read committed' })
    })
    await trx.commit()
    expect(await connection.isWritable()).toBe(true)
    await connection.close()
    expect(connection.broken).toBe(true)
    await connection.close()
  })

  test('a snapshot is read-only and of one moment', async () => {
    const connection = await db.connect()
    const trx = await connection.begin('snapshot')
    const written = trx.insertJob({ job: 'x', shape: '', codeVersion: '', sinkTables: [], clusterId: '' })
    // 25006 also is what a demoted primary answers: drop the connection and look for the writable one.
    await expect(written).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    await trx.rollback()
    connection.destroy()
  })

  test('wrong credentials and databases are DATABASE_REFUSED, with the cure and without the password', async () => {
    const role = `oncesink_test_${randomUUID().slice(0, 8)}`
    const noDatabase = url()
    noDatabase.pathname = '/no_such_database'
    const refused = await connect({ connectionString: noDatabase.href }).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringMatching(/no_such_database.*3D000.*Create the database/s),
    })
    const noUser = url()
    noUser.username = role
    noUser.password = 'a-secret-word'
    const error = await connect({ connectionString: noUser.href }).catch((reason: unknown) => String(reason))
    expect(error).toMatch(new RegExp(`${noUser.hostname}:${noUser.port}/.* as ${role}`))
    expect(error).not.toContain('a-secret-word')
  })

  test('single settings connect like a connection string, password included', async () => {
    const { hostname, port, pathname } = url()
    const role = `oncesink_test_${randomUUID().slice(0, 8)}`
    await db.rows(`CREATE ROLE ${role} LOGIN PASSWORD 'p@ss:/word'`)
    const settings = { host: hostname, port: Number(port), database: pathname.slice(1) }
    const connection = await connect({ ...settings, user: role, password: 'p@ss:/word' })
    expect(connection.broken).toBe(false)
    await connection.close()
    await db.rows(`DROP ROLE ${role}`)
  })

  test('TLS that the server does not have is refused with the cure', async () => {
    await expect(connect({ connectionString: url().href, ssl: true })).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining('Leave out ssl'),
    })
  })

  test('a port where nobody listens and a name that nobody has are DATABASE_UNAVAILABLE', async () => {
    await expect(connect({ host: '127.0.0.1', port: 1, user: 'u', password: 'p' })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('127.0.0.1:1'),
    })
    await expect(connect({ host: 'no-such-host.invalid', user: 'u' })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    })
  })

  test('a server that accepts and says nothing is given up in time', async () => {
    const sockets: Socket[] = []
    const server: Server = createServer((socket) => sockets.push(socket.on('error', () => {})))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const started = performance.now()
    await expect(
      connect({ host: '127.0.0.1', port, user: 'u', connectTimeoutMs: 200 }),
    ).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    })
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
