import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startNativeDatabase } from '../../../src/services/index.ts'
import { childrenOf, isAlive } from '../../../src/services/native/processes.ts'
import { createDatabaseOn, onEveryEngine, ownServer, testEngines } from '../../support/engines.ts'
import { eventually } from '../../support/eventually.ts'
import { createTopic, kafkaClient, produce } from '../../support/kafka-service.ts'
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

test('a Kafka of this machine keeps its records when it is killed; all are gone, with their data, when their parent is', async () => {
  const { process: parent, said } = await runParent(
    { 'startNativeDatabase, startNativeKafka': 'src/services/index.ts' },
    `const databases = ${JSON.stringify(testEngines.map(({ name }) => name))}
     const services = await Promise.all([startNativeKafka(), ...databases.map((name) => startNativeDatabase(name))])
     const [kafka] = services
     process.on('message', (act) => kafka[act]().then(
       () => process.send({ pid: kafka.pid }),
       ({ code, message }) => process.send({ code, message })))
     console.log(JSON.stringify(services.map(({ pid, logFile, brokers }) => ({ pid, logFile, brokers }))))
     setInterval(() => {}, 1000)`,
  )
  const services = said as { pid: number; logFile: string; brokers: string[] }[]
  const [kafka] = services
  if (!kafka) throw new Error('no Kafka was started')
  const { brokers } = kafka
  const ask = async (act: 'kill' | 'restart') => {
    parent.send(act)
    const [answer] = (await once(parent, 'message')) as [{ pid?: number; code?: string; message?: string }]
    return answer
  }

  const topic = await createTopic('kept', { brokers })
  await produce(topic, [{ value: 'a' }, { value: 'b' }], brokers)
  await ask('kill')
  expect(isAlive(kafka.pid)).toBe(false)

  // One that cannot start shows the end of its log, and starts when that is mended.
  const identity = join(dirname(kafka.logFile), 'data', 'meta.properties')
  await rename(identity, `${identity}.away`)
  expect(await ask('restart')).toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringMatching(/ended during its start.*No readable meta\.properties files/s),
  })
  await rename(`${identity}.away`, identity)
  const { pid = 0 } = await ask('restart')
  const admin = kafkaClient(brokers).admin()
  await admin.connect()
  const [partition] = await eventually(() => admin.fetchTopicOffsets(topic))
  await admin.disconnect()
  expect(partition?.high).toBe('2')

  const roots = [pid, ...services.slice(1).map((service) => service.pid)]
  const children = (await Promise.all(roots.map((root) => childrenOf(root)))).flat()
  const pids = [...roots, ...children]
  expect(pids.filter(isAlive)).toEqual(pids)
  onTestFinished(() => {
    for (const left of pids.filter(isAlive)) process.kill(left, 'SIGKILL')
  })
  parent.kill('SIGKILL')
  await eventually(() => pids.filter(isAlive).length === 0, 10_000)
  await eventually(() => services.every(({ logFile }) => !existsSync(dirname(logFile))), 10_000)
})
