import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startNativeDatabase, startNativeKafka } from '../../../src/services/index.ts'
import { childrenOf, isAlive } from '../../../src/services/native/processes.ts'
import { createDatabaseOn, onEveryEngine, ownServer, testEngines } from '../../support/engines.ts'
import { eventually } from '../../support/eventually.ts'
import { createTopic, kafkaClient, ownKafka, produce } from '../../support/kafka-service.ts'
import { runParent } from '../../support/parent-program.ts'

/** A setting that a test gives a server, what the server then says of it, and of its durability. */
const settings = {
  postgres: { work_mem: '5MB' },
  mysql: { 'max-connect-errors': '77' },
  mariadb: { 'max-connect-errors': '77' },
} as const
const setting = { postgres: 'SHOW work_mem', mysql: 'SELECT @@max_connect_errors' }
const durability = { postgres: 'SHOW fsync', mysql: 'SELECT @@innodb_flush_log_at_trx_commit' }
/** A setting with which the server does not start, and of which its log says why. */
const impossible = { postgres: { shared_buffers: '1' }, mysql: { 'no-such-setting': '1' } } as const

onEveryEngine((engine) => {
  const dialect = engine.name === 'postgres' ? 'postgres' : 'mysql'

  test('a server of this machine is durable, keeps what was committed when it is killed, and leaves nothing', async () => {
    const server = await ownServer(engine, { settings: settings[engine.name] })
    const database = await createDatabaseOn(engine, 'kept', server.url)
    const value = async (sql: string) => Object.values((await database.rows<object>(sql))[0] ?? {})
    expect((await value(durability[dialect])).map(String)).toEqual([dialect === 'postgres' ? 'on' : '1'])
    expect((await value(setting[dialect])).map(String)).toEqual(Object.values(settings[engine.name]))

    await database.run('CREATE TABLE t (x int)')
    await database.run('INSERT INTO t VALUES (1)')
    const open = await database.knex.transaction()
    await open.raw('INSERT INTO t VALUES (2)')
    const before = [server.pid, ...(await childrenOf(server.pid))]
    await server.kill()
    await expect(open.raw('INSERT INTO t VALUES (3)')).rejects.toThrow()
    // Its connection goes back to the pool, which would wait for it.
    await open.rollback().catch(() => {})
    // PostgreSQL has a process for each session, and more.
    expect(before.length).toBeGreaterThan(dialect === 'postgres' ? 2 : 0)
    expect(before.filter(isAlive)).toEqual([])

    await server.restart()
    expect(await database.rows('SELECT x FROM t')).toEqual([{ x: 1 }])

    await database.knex.destroy()
    const after = [server.pid, ...(await childrenOf(server.pid))]
    await server.stop()
    expect(after.filter(isAlive)).toEqual([])
    expect(existsSync(dirname(server.logFile))).toBe(false)
  })

  test('a server of this machine shows the end of its log when it does not start', async () => {
    const [name = ''] = Object.keys(impossible[dialect])
    await expect(startNativeDatabase(engine.name, { settings: impossible[dialect] })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringMatching(new RegExp(`ended during its start.*${name}`, 's')),
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

test('all are gone, with their data, after their parent is killed with SIGKILL', async () => {
  const { process: parent, said } = await runParent(
    { 'startNativeDatabase, startNativeKafka': 'src/services/index.ts' },
    `const databases = ${JSON.stringify(testEngines.map(({ name }) => name))}
     const services = await Promise.all([startNativeKafka(), ...databases.map((name) => startNativeDatabase(name))])
     console.log(JSON.stringify(services.map(({ pid, logFile }) => ({ pid, logFile }))))
     setInterval(() => {}, 1000)`,
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
