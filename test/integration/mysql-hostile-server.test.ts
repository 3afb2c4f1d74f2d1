import { randomUUID } from 'node:crypto'
import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net'
import { type Connection as Client, createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import { createMysqlDialect } from '../../src/database/mysql/dialect.ts'
import { type MysqlOptions, mysql } from '../../src/database/mysql/options.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts'
import { type NativeDatabase, startNativeDatabase } from '../../src/services/index.ts'
import { MysqlFixture, mysqlFlavours } from '../support/mysql-fixture.ts'
import { claimTopic } from '../support/postgres-fixture.ts'

/*
 * What a server's own settings can do to the protocol, on a server that belongs to this file: with a binary log, and
 * (MariaDB, which lets one choose at any start) without case in the names of databases.
 */
describe.each(mysqlFlavours)('%s', (flavour) => {
  const settings = { 'log-bin': 'log', ...(flavour === 'mariadb' && { 'lower-case-table-names': '1' }) }
  const modest = { user: 'modest', password: 'p' }
  let server: NativeDatabase
  let db: MysqlFixture
  let table: string

  beforeAll(async () => {
    server = await startNativeDatabase(flavour, { settings })
    db = new MysqlFixture(flavour, {}, server.url)
    await db.open()
    await db.user(modest.user, modest.password, [`ALL ON ${db.schema}.*`])
    table = await db.table('sink', 'x int PRIMARY KEY, t varchar(3), CHECK (x < 100)')
  })
  afterAll(async () => {
    await server?.stop()
  })

  /** Settings of the whole server for as long as `work` runs. */
  async function withGlobals<T>(
    globals: Readonly<Record<string, string>>,
    work: () => Promise<T>,
  ): Promise<T> {
    const before = new Map<string, unknown>()
    for (const name of Object.keys(globals)) {
      const [row] = await db.rows(`SHOW GLOBAL VARIABLES LIKE '${name}'`)
      before.set(name, row?.Value)
    }
    try {
      for (const [name, value] of Object.entries(globals)) await db.rows(`SET GLOBAL ${name} = ${value}`)
      return await work()
    } finally {
      for (const [name, value] of before) {
        await db.rows(`SET GLOBAL ${name} = ?`, [/^\d+$/.test(String(value)) ? Number(value) : value])
      }
    }
  }

  async function connected<T>(
    work: (connection: Connection) => Promise<T>,
    options: Partial<MysqlOptions> = {},
  ): Promise<T> {
    const plan = mysql({ connectionString: db.urlAs(modest), ...options })
    const connection = await db.connect('job', systemRuntime, 'test', plan)
    try {
      return await work(connection)
    } finally {
      await connection.close()
    }
  }

  async function insert(connection: Connection, x: number, t = 't') {
    const trx = await connection.begin('batch')
    await trx.appendRows({ table, columns: ['x', 't'], rows: [[x, t]] })
    return trx
  }

  const stored = async (x: number) => (await db.rows('SELECT 1 FROM sink WHERE x = ?', [x])).length === 1

  test('defaults that cut, hide, fold or only read, and what init_connect sets, do not reach a session', async () => {
    const readOnly = flavour === 'mysql' ? 'transaction_read_only' : 'tx_read_only'
    const globals = {
      sql_mode: "'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'",
      sql_notes: '0',
      autocommit: '0',
      completion_type: "'CHAIN'",
      time_zone: "'+05:00'",
      foreign_key_checks: '0',
      sql_safe_updates: '1',
      [readOnly]: '1',
      ...(flavour === 'mariadb' && { check_constraint_checks: '0' }),
      init_connect: `"SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES', autocommit = 0, sql_notes = 0, foreign_key_checks = 0"`,
    }
    await withGlobals(globals, () =>
      connected(async (connection) => {
        // Outside of a transaction: one DELETE that commits by itself.
        await claimTopic(connection, "it's \\ quoted", 'topic', 1)
        expect(await connection.pruneLedger("it's \\ quoted", 0)).toBe(0)
        const outcomes = [
          [1, 'abcd', 'ROWS_REJECTED'],
          [100, 'abc', 'ROWS_REJECTED'],
          [2, 'abc', null],
        ] as const
        for (const [x, t, code] of outcomes) {
          const trx = await connection.begin('batch')
          const error = await trx
            .appendRows({ table, columns: ['x', 't'], rows: [[x, t]] })
            .then(() => null)
            .catch((reason: { code: string }) => reason.code)
          expect(error).toBe(code)
          if (error === null) expect(await trx.commit()).toEqual({ kind: 'committed' })
          else await trx.rollback()
        }
        const trx = await connection.begin('batch')
        await trx.runUserCode(async (knex) => {
          const cut = await knex.raw("INSERT INTO sink VALUES (3, 'abc   ')")
          // Spaces that are cut are no error even in strict mode: only a note tells.
          expect(cut[0].warningStatus).toBe(1)
        })
        await trx.rollback()
      }),
    )
    expect(await stored(2)).toBe(true)
  })

  test('COMMIT that waits in vain for the lock of a backup is definite: nothing is stored, the connection goes on', async () => {
    await connected(
      async (connection) => {
        const trx = await insert(connection, 10)
        const backup = await createConnection({ uri: server.url })
        await backup.query('FLUSH TABLES WITH READ LOCK')
        expect(await trx.commit()).toMatchObject({
          kind: 'aborted',
          error: {
            code: 'TRANSACTION_ABORTED',
            disposition: 'retry',
            message: expect.stringContaining('error 1205'),
          },
        })
        await backup.query('UNLOCK TABLES')
        await backup.end()
        expect(connection.broken).toBe(false)
        expect(await stored(10)).toBe(false)
        expect(await (await insert(connection, 11)).commit()).toEqual({ kind: 'committed' })
      },
      { lockTimeoutMs: 1_000 },
    )
  })

  test('a server that becomes read-only between BEGIN and COMMIT leaves it unknown; the next batch waits for a writable one', async () => {
    await connected(async (connection) => {
      const trx = await insert(connection, 20)
      await withGlobals({ read_only: 'ON' }, async () => {
        expect((await trx.commit()).kind).toBe('unknown')
        expect(connection.broken).toBe(true)
        await connected(async (other) => {
          expect(await other.isWritable()).toBe(false)
          await expect(insert(other, 21)).rejects.toMatchObject({
            code: 'DATABASE_UNAVAILABLE',
            message: expect.stringContaining('error 1290'),
          })
        })
      })
      // The server has rolled it back, but that is its secret.
      expect(await stored(20)).toBe(false)
      await connected(async (other) =>
        expect(await (await insert(other, 20)).commit()).toEqual({ kind: 'committed' }),
      )
    })
  })

  test('READ COMMITTED with a binary log of statements is refused when connecting, with the cure', async () => {
    const refused = withGlobals({ binlog_format: "'STATEMENT'" }, () => connected(async () => {}))
    await expect(refused).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringMatching(/binlog_format=STATEMENT.*Set binlog_format to ROW/s),
    })
    await withGlobals({ binlog_format: "'MIXED'" }, () =>
      connected(async (connection) =>
        expect(await (await insert(connection, 30)).commit()).toEqual({ kind: 'committed' }),
      ),
    )
  })

  test('a row that is larger than max_allowed_packet is rejected before it is sent; its neighbours are cut to fit', async () => {
    const wide = await db.table('wide', 'x int PRIMARY KEY, t longtext')
    await withGlobals({ max_allowed_packet: String(1024 * 1024) }, () =>
      connected(async (connection) => {
        const trx = await connection.begin('batch')
        const rows = [1, 2, 3].map((x) => [x, 'w'.repeat(900_000)])
        expect(await trx.appendRows({ table: wide, columns: ['x', 't'], rows })).toBe(3)
        const tooWide = trx.appendRows({
          table: wide,
          columns: ['x', 't'],
          rows: [[4, 'w'.repeat(1_100_000)]],
        })
        await expect(tooWide).rejects.toMatchObject({
          code: 'ROWS_REJECTED',
          message: expect.stringMatching(/row 0 for .*wide is 1100\d+ bytes.*max_allowed_packet/s),
        })
        await trx.rollback()
        expect(connection.broken).toBe(false)
      }),
    )
  })

  const onMysql = flavour === 'mysql' ? test : () => {}
  const onMariadb = flavour === 'mariadb' ? test : () => {}

  onMysql('a server in offline mode is DATABASE_UNAVAILABLE: it will be back', async () => {
    const outside = withGlobals({ offline_mode: 'ON' }, () => connected(async () => {}))
    await expect(outside).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringMatching(/error 3032.*offline_mode/s),
    })
  })

  onMariadb(
    'under innodb_snapshot_isolation a batch that waited for a claim finds its epoch gone, and no error',
    async () => {
      await withGlobals({ innodb_snapshot_isolation: 'ON' }, () =>
        connected(async (connection) => {
          const claimId = await claimTopic(connection, 'isolated', 'topic', 1)
          const claimer = await db.connect('isolated')
          const claim = await claimer.begin('claim')
          const partition = { topic: 'topic', partition: 0 }
          await claim.lockPositions('isolated', [partition])
          await claim.claimPositions('isolated', [{ ...partition, claimId: randomUUID(), owner: 'new' }])
          const batch = await connection.begin('batch')
          // A read before the wait, from which a snapshot would begin.
          await batch.readPositions('isolated')
          const range = { ...partition, from: 0n, until: 1n }
          const matched = batch.advanceRanges('isolated', [{ range, epoch: 1n, claimId, leaderEpoch: 0 }])
          await db.untilBlocked(connection)
          expect(await claim.commit()).toEqual({ kind: 'committed' })
          expect(await matched).toBe(0)
          await batch.rollback()
        }),
      )
    },
  )

  onMariadb(
    'where the case of names does not count, sessions of one job know each other however its database is written',
    async () => {
      const url = new URL(db.url)
      url.pathname = `/${db.schema.toUpperCase()}`
      const shouting = createMysqlDialect(mysql({ connectionString: url.href }), systemRuntime)
      const [one, other] = [
        await db.connect('cased'),
        await shouting.connect({ job: 'cased', owner: 'test' }),
      ]
      expect((await other.sessionsOf('cased')).map(({ backend }) => backend.id)).toEqual([one.backend.id])
      await other.close()
    },
  )

  test('after a restart that a session has not heard of, its KILL QUERY does not hit who has its id now', async () => {
    // So that the number of the session comes again.
    const spare = await Promise.all(Array.from({ length: 30 }, () => createConnection({ uri: server.url })))
    let timeIsUp = () => {}
    const limit = new Promise<void>((resolve) => {
      timeIsUp = resolve
    })
    const statementTimeoutMs = 31_000
    const runtime: Runtime = {
      ...systemRuntime,
      clock: {
        ...systemClock,
        sleep: (ms, signal) => {
          const slept = systemClock.sleep(ms, signal)
          return ms === statementTimeoutMs ? Promise.race([slept, limit]) : slept
        },
      },
    }
    const halfOpen = await startHalfOpenProxy(Number(new URL(server.url).port))
    const plan = mysql({ connectionString: db.urlAs({ port: halfOpen.port }), statementTimeoutMs })
    const session = await createMysqlDialect(plan, runtime).connect({ job: 'killer', owner: 'test' })
    const trx = await session.begin('batch')
    const running = trx.runUserCode((knex) => knex.raw('SELECT sleep(60)'))
    for (const client of spare) client.destroy()
    await server.restart()
    const clients: Client[] = []
    while (clients.at(-1)?.threadId !== session.backend.id) {
      clients.push(await createConnection({ uri: server.url }))
      expect(clients.at(-1)?.threadId).toBeLessThanOrEqual(session.backend.id)
    }
    const innocent = clients.at(-1)?.query('SELECT sleep(1) AS interrupted')
    timeIsUp()
    await expect(running).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    expect(halfOpen.connections).toBe(2)
    expect(await innocent).toMatchObject([[{ interrupted: 0 }], expect.anything()])
    for (const client of clients) client.destroy()
    halfOpen.stop()
  })
})

/** Passes everything on, but tells no client that its server is gone. */
async function startHalfOpenProxy(target: number) {
  const sockets: Socket[] = []
  let connections = 0
  const proxy: Server = createServer((client) => {
    connections += 1
    const server = tcpConnect(target, '127.0.0.1')
    sockets.push(
      client.on('error', () => {}),
      server.on('error', () => {}),
    )
    client.on('data', (data) => server.write(data))
    server.on('data', (data) => client.write(data))
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get connections() {
      return connections
    },
    stop: () => {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    },
  }
}
