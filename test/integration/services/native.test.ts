import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startNativeKafka } from '../../../src/services/index.ts'
import { childrenOf, isAlive } from '../../../src/services/native/processes.ts'
import { eventually } from '../../support/eventually.ts'
import { createTopic, kafkaClient, ownKafka, produce } from '../../support/kafka-service.ts'
import { runParent } from '../../support/parent-program.ts'
import { ownPostgres } from '../../support/postgres-service.ts'

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

describe('a PostgreSQL of this machine', () => {
  test('keeps what was committed and nothing else when it is killed, and comes back on the same URL', async () => {
    const postgres = await ownPostgres()
    await query(postgres.url, 'CREATE TABLE t AS SELECT 1 AS x')
    const open = new pg.Client({ connectionString: postgres.url })
    const cut = new Promise((resolve) => open.on('error', resolve))
    await open.connect()
    await open.query('BEGIN')
    await open.query('INSERT INTO t VALUES (2)')
    const before = [postgres.pid, ...(await childrenOf(postgres.pid))]
    await postgres.kill()
    await cut
    expect(before.length).toBeGreaterThan(2)
    expect(before.filter(isAlive)).toEqual([])
    await postgres.restart()
    expect(await query(postgres.url, 'SELECT x FROM t')).toEqual([{ x: 1 }])
  })

  test('is durable by default, and takes settings', async () => {
    const postgres = await ownPostgres({ settings: { work_mem: '5MB' } })
    expect(await query(postgres.url, 'SHOW fsync')).toEqual([{ fsync: 'on' }])
    expect(await query(postgres.url, 'SHOW work_mem')).toEqual([{ work_mem: '5MB' }])
  })

  test('shows the end of its log when it does not start', async () => {
    await expect(ownPostgres({ settings: { shared_buffers: '1' } })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('shared_buffers'),
    })
  })
})

describe('a Kafka of this machine', () => {
  test('keeps its records when it is killed, and comes back on the same address', async () => {
    const kafka = await ownKafka()
    const topic = await createTopic('kept', { brokers: kafka.brokers })
    await produce(topic, [{ value: 'a' }, { value: 'b' }], kafka.brokers)
    await kafka.kill()
    expect(isAlive(kafka.pid)).toBe(false)
    await kafka.restart()
    const admin = kafkaClient(kafka.brokers).admin()
    await admin.connect()
    const [partition] = await eventually(() => admin.fetchTopicOffsets(topic))
    await admin.disconnect()
    expect(partition?.high).toBe('2')
  })

  test('shows the end of its log when it does not start', async () => {
    await expect(startNativeKafka({ memory: '1m' })).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/ended during its start.*heap/s),
    })
  })
})

test('both are gone, with their data, after their parent is killed with SIGKILL', async () => {
  const { process: parent, said } = await runParent(
    { 'startKafka, startPostgres': 'src/services/index.ts' },
    `const services = await Promise.all([startKafka(), startPostgres()])
     console.log(JSON.stringify(services.map(({ pid, logFile }) => ({ pid, logFile }))))
     setInterval(() => {}, 1000)`,
    { ...process.env, ONCESINK_SERVICES: 'native' },
  )
  const services = said as { pid: number; logFile: string }[]
  const children = (await Promise.all(services.map(({ pid }) => childrenOf(pid)))).flat()
  const pids = [...services.map(({ pid }) => pid), ...children]
  expect(pids.filter(isAlive)).toEqual(pids)
  onTestFinished(() => {
    for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL')
  })
  parent.kill('SIGKILL')
  await eventually(() => pids.filter(isAlive).length === 0, 10_000)
  await eventually(() => services.every(({ logFile }) => !existsSync(dirname(logFile))), 10_000)
})
