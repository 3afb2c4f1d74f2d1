import { createConnection, type RowDataPacket } from 'mysql2'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTcpProxy, type TcpProxy } from '../../src/chaos/tcp-proxy.ts'
import { createDatabaseOn, onEveryEngine, type TestDatabase, type TestEngine } from '../support/engines.ts'

/** One session of an engine's own driver. */
interface Client {
  /** Rows of the answer. */
  query(text: string): Promise<unknown[]>
  /** The same by a statement that is prepared first. */
  prepared(text: string): Promise<unknown>
  /** Resolves when the connection is gone. */
  readonly ended: Promise<void>
  end(): Promise<unknown>
}

async function postgresClient(url: string): Promise<Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  const ended = new Promise<void>((resolve) => client.once('end', resolve))
  await client.connect()
  return {
    query: async (text) => (await client.query<Record<string, unknown>>(text)).rows,
    prepared: (text) => client.query({ name: 'prepared', text }),
    ended,
    end: () => client.end(),
  }
}

function mysqlClient(url: string): Promise<Client> {
  const client = createConnection({ uri: url, multipleStatements: true })
  const ended = new Promise<void>((resolve) => {
    client.on('error', () => resolve())
    client.on('end', () => resolve())
  })
  const session = client.promise()
  return Promise.resolve({
    query: async (text) => {
      const [rows] = await session.query<RowDataPacket[]>(text)
      return Array.isArray(rows) ? rows.map((row) => ({ ...row })) : []
    },
    prepared: (text) => session.execute(text),
    ended,
    end: () => session.end(),
  })
}

onEveryEngine((engine: TestEngine) => {
  let database: TestDatabase
  let proxy: TcpProxy

  beforeAll(async () => {
    database = await createDatabaseOn(engine, 'proxied')
    await database.run('CREATE TABLE t (x int)')
    const { hostname, port } = new URL(engine.url)
    const protocol = engine.name === 'postgres' ? 'postgres' : 'mysql'
    proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) }, protocol })
  })
  afterAll(() => proxy.close())

  function client(): Promise<Client> {
    const url = new URL(database.url)
    url.host = `${proxy.host}:${proxy.port}`
    return engine.name === 'postgres' ? postgresClient(url.href) : mysqlClient(url.href)
  }

  const count = async () => {
    const [row] = await database.rows<{ n: number | string }>('SELECT count(*) AS n FROM t')
    return Number(row?.n)
  }

  const ways: [string, (c: Client) => Promise<unknown>][] = [
    ['simple', (c) => c.query('COMMIT')],
    ['prepared', (c) => c.prepared('COMMIT')],
  ]

  test.each(ways)('a %s COMMIT that is cut before it is not executed', async (_, commit) => {
    const before = await count()
    const c = await client()
    await c.query('BEGIN')
    await c.query('INSERT INTO t VALUES (1)')
    const { cutBeforeCommit } = proxy.injected
    proxy.cutBeforeCommit()
    await expect(commit(c)).rejects.toThrow()
    expect(proxy.injected.cutBeforeCommit).toBe(cutBeforeCommit + 1)
    expect(await count()).toBe(before)
  })

  test.each(ways)('a %s COMMIT that is cut after it is executed, and its answer lost', async (_, commit) => {
    const before = await count()
    const c = await client()
    await c.query('BEGIN')
    await c.query('INSERT INTO t VALUES (1)')
    const { cutAfterCommit } = proxy.injected
    proxy.cutAfterCommit()
    await expect(commit(c)).rejects.toThrow()
    expect(proxy.injected.cutAfterCommit).toBe(cutAfterCommit + 1)
    expect(await count()).toBe(before + 1)
  })

  test('without a fault everything passes, COMMIT too, and large values in both directions', async () => {
    const before = await count()
    const c = await client()
    const big = 'x'.repeat(5_000_000)
    await c.query('BEGIN')
    expect(await c.query(`SELECT '${big}' AS big`)).toEqual([{ big }])
    await c.query('INSERT INTO t VALUES (1)')
    await c.query('COMMIT')
    expect(await count()).toBe(before + 1)
    await c.end()
  })

  test('a decision is asked for at every COMMIT, and for nothing else', async () => {
    let asked = 0
    proxy.decideAtCommit(() => {
      asked += 1
      return asked === 2 ? 'cutBeforeCommit' : null
    })
    const c = await client()
    await c.query("SELECT 'COMMIT'")
    await c.query('COMMIT')
    await expect(c.query('COMMIT')).rejects.toThrow()
    expect(asked).toBe(2)
    proxy.decideAtCommit(() => null)
  })

  test('a black hole passes nothing, and what it held back when it is healed', async () => {
    const c = await client()
    await c.query('SELECT 1')
    proxy.blackhole()
    let answered = false
    const answer = c.query('SELECT 1 AS x').then((rows) => {
      answered = true
      return rows
    })
    // A query on another way is answered meanwhile, several times over.
    for (let i = 0; i < 20; i += 1) await count()
    expect(answered).toBe(false)
    proxy.heal()
    expect(await answer).toEqual([{ x: 1 }])
    await c.end()
  })

  test('a reset is seen by every client, counted, and does not end the proxy', async () => {
    const c = await client()
    await c.query('SELECT 1')
    const before = proxy.injected.reset
    const open = proxy.connections
    expect(open).toBeGreaterThan(0)
    proxy.reset()
    await c.ended
    expect(proxy.injected.reset).toBe(before + open)
    expect(proxy.connections).toBe(0)
    await (await client()).end()
  })
})
