import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTcpProxy, type TcpProxy } from '../../src/chaos/tcp-proxy.ts'
import { PostgresFixture } from '../support/postgres-fixture.ts'
import { postgresService } from '../support/postgres-service.ts'

const db = new PostgresFixture()
let proxy: TcpProxy
let table: string

beforeAll(async () => {
  await db.open()
  table = await db.table('t', 'x int')
  const { hostname, port } = new URL(postgresService().url)
  proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } })
})
afterAll(async () => {
  await proxy.close()
  await db.drop()
})

async function client(): Promise<pg.Client> {
  const url = new URL(postgresService().url)
  url.host = `${proxy.host}:${proxy.port}`
  const connected = new pg.Client({ connectionString: url.href })
  connected.on('error', () => {})
  await connected.connect()
  return connected
}

const count = async () => (await db.rows<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]?.n

/** COMMIT by the simple, and by the extended protocol. */
const ways: [string, (c: pg.Client) => Promise<unknown>][] = [
  ['simple', (c) => c.query('COMMIT')],
  ['prepared', (c) => c.query({ name: 'commit', text: 'COMMIT' })],
]

test.each(ways)('a %s COMMIT that is cut before it is not executed', async (_, commit) => {
  const before = await count()
  const c = await client()
  await c.query('BEGIN')
  await c.query(`INSERT INTO ${table} VALUES (1)`)
  const { cutBeforeCommit } = proxy.injected
  proxy.cutBeforeCommit()
  await expect(commit(c)).rejects.toThrow()
  expect(proxy.injected.cutBeforeCommit).toBe(cutBeforeCommit + 1)
  expect(await count()).toBe(before)
})

test.each(ways)('a %s COMMIT that is cut after it is executed, and its answer lost', async (_, commit) => {
  const before = (await count()) ?? 0
  const c = await client()
  await c.query('BEGIN')
  await c.query(`INSERT INTO ${table} VALUES (1)`)
  const { cutAfterCommit } = proxy.injected
  proxy.cutAfterCommit()
  await expect(commit(c)).rejects.toThrow()
  expect(proxy.injected.cutAfterCommit).toBe(cutAfterCommit + 1)
  expect(await count()).toBe(before + 1)
})

test('without a fault everything passes, COMMIT too, and large values in both directions', async () => {
  const c = await client()
  const big = 'x'.repeat(5_000_000)
  await c.query('BEGIN')
  expect((await c.query('SELECT $1::text AS big', [big])).rows).toEqual([{ big }])
  expect((await c.query('COMMIT')).command).toBe('COMMIT')
  await c.end()
})

test('a decision is asked for at every COMMIT, and for nothing else', async () => {
  let asked = 0
  proxy.decideAtCommit(() => {
    asked += 1
    return asked === 2 ? 'cutBeforeCommit' : null
  })
  const c = await client()
  await c.query('SELECT 1')
  await c.query('COMMIT')
  await expect(c.query('COMMIT')).rejects.toThrow()
  expect(asked).toBe(2)
  proxy.decideAtCommit(() => null)
})

test('a black hole passes nothing, and what it held back when it is healed', async () => {
  const c = await client()
  proxy.blackhole()
  let answered = false
  const answer = c.query('SELECT 1 AS x').then((result) => {
    answered = true
    return result.rows
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
  const ended = new Promise((resolve) => c.once('end', resolve))
  const before = proxy.injected.reset
  const open = proxy.connections
  expect(open).toBeGreaterThan(0)
  proxy.reset()
  await ended
  expect(proxy.injected.reset).toBe(before + open)
  expect(proxy.connections).toBe(0)
  await (await client()).end()
})
