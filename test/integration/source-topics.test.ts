import { describe, expect, onTestFinished, test } from 'vitest'
import { verifyJob } from '../../src/check/verify-job.ts'
import { postgres } from '../../src/database/postgres/options.ts'
import { json } from '../../src/decode/json.ts'
import { defineJob } from '../../src/job/define-job.ts'
import type { Job } from '../../src/job/job.ts'
import { from } from '../../src/pipeline/from.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { append } from '../../src/sink/append.ts'
import { type KafkaOptions, kafka } from '../../src/source/kafka/options.ts'
import { createDialect, createLogToCheck } from '../../src/wire.ts'
import { eventually } from '../support/eventually.ts'
import { kafkaAdmin, produceAfresh } from '../support/kafka-admin.ts'
import { createTopic, kafkaService } from '../support/kafka-service.ts'
import { createDatabase, type TestDatabase } from '../support/postgres-service.ts'
import { drain, hurried, observe, startFailure } from '../support/running-job.ts'
import { uniqueName } from '../support/unique.ts'

/** Topics whose names begin alike, and a database for a job that reads them. */
async function openFamily(stem: string) {
  const family = uniqueName(stem)
  const database = await createDatabase(stem)
  await database.knex.raw('CREATE TABLE seen (topic text, partition int, log_offset bigint, v text)')
  const job = (source: Partial<KafkaOptions> = {}, name = family): Job =>
    defineJob({
      name,
      database: postgres({ connectionString: database.url }),
      pipeline: from(
        kafka({
          brokers: kafkaService().brokers,
          ...(source.topics ? {} : { topicPattern: new RegExp(`^${family}_`) }),
          metadataRefreshMs: 200,
          ...source,
        }),
      )
        .decode(json<{ v: string }>())
        .map(({ v }) => ({ v }))
        .into(
          append({ table: 'seen', meta: { topic: 'topic', partition: 'partition', offset: 'log_offset' } }),
        ),
    })
  return { family, database, job, create: (partitions = 1) => createTopic(family, { partitions }) }
}

/** Appends these values to partition 0 (or another one), by a producer that has not heard of deleted topics. */
function send(topic: string, values: readonly string[], partition = 0): Promise<void> {
  return produceAfresh(
    topic,
    values.map((v) => ({ partition, value: JSON.stringify({ v }) })),
  )
}

/** What is in the table, sorted. */
async function seen({ knex }: TestDatabase): Promise<string[]> {
  const rows: { topic: string; partition: number; v: string }[] = await knex('seen').select()
  return rows.map(({ topic, partition, v }) => `${topic}/${partition} ${v}`).sort()
}

const of = (topic: string, values: readonly string[], partition = 0) =>
  values.map((v) => `${topic}/${partition} ${v}`)

describe('topics by pattern', () => {
  const starts: [string, (topic: string) => KafkaOptions['startFrom'], string[]][] = [
    ['earliest', () => 'earliest', ['a', 'b', 'c', 'later']],
    ['latest', () => 'latest', ['later']],
    ['a timestamp', () => ({ timestamp: new Date(Date.now() + 60_000) }), ['later']],
    ['explicit offsets', (topic) => ({ offsets: { [topic]: { 0: 2n } } }), ['c', 'later']],
  ]
  test.each(starts)(
    'startFrom %s holds for those that exist at the first claim; one that newly matches is read from its beginning',
    async (_, startFrom, expected) => {
      const { database, job, create } = await openFamily('late')
      const first = await create()
      await send(first, ['a', 'b', 'c'])
      const { heard } = await observe(job({ startFrom: startFrom(first) ?? 'earliest' }))
      const late = await create(2)
      await send(late, ['x', 'y'])
      await send(late, ['z'], 1)
      await send(first, ['later'])
      const all = [...of(first, expected), ...of(late, ['x', 'y']), ...of(late, ['z'], 1)].sort()
      await eventually(async () => (await seen(database)).length >= all.length)
      expect(await seen(database)).toEqual(all)
      expect(heard.claimed.map(({ claims }) => claims.map(({ topic }) => topic))).toEqual([
        [first],
        [late, late],
      ])
    },
  )

  test('one that appeared while no process ran is read from its beginning too', async () => {
    const { database, job, create } = await openFamily('away')
    await create()
    await drain(job({ startFrom: 'latest' }))
    const late = await create()
    await send(late, ['x'])
    await drain(job({ startFrom: 'latest' }))
    expect(await seen(database)).toEqual(of(late, ['x']))
  })

  test("other topics and Kafka's internal ones are left alone", async () => {
    const { family, database, job, create } = await openFamily('alone')
    const topic = await create()
    const other = await createTopic('other')
    await send(topic, ['mine'])
    await send(other, ['not mine'])
    const admin = await kafkaAdmin()
    // The first group of a cluster makes it create the topic.
    await admin.setOffsets({ groupId: family, topic, partitions: [{ partition: 0, offset: '0' }] })
    await eventually(async () => (await admin.listTopics()).includes('__consumer_offsets'))
    onTestFinished(() => admin.deleteGroups([family]).then(() => undefined))
    const { heard } = await drain(job({ topicPattern: new RegExp(`^(${family}_.*|__consumer_offsets)$`) }))
    expect(heard.claimed.flatMap(({ claims }) => claims.map((claim) => claim.topic))).toEqual([topic])
    expect(await seen(database)).toEqual(of(topic, ['mine']))
  })

  test('none matches yet: the job says so once and waits; the first one is read from its beginning', async () => {
    const { family, database, job, create } = await openFamily('none')
    const { heard } = await observe(job({ startFrom: 'latest' }))
    const topic = await create()
    await send(topic, ['x', 'y'])
    await eventually(async () => (await seen(database)).length > 0)
    expect(await seen(database)).toEqual(of(topic, ['x', 'y']))
    expect(heard.warning).toEqual([
      {
        message: `no topic matches topicPattern /^${family}_/ yet: waiting for one, which is looked for every 200 ms (metadataRefreshMs)`,
      },
    ])
  })

  test('one that vanishes halts the job, running or starting, and is named; its position stays', async () => {
    const { family, database, job, create } = await openFamily('gone')
    const [stays, goes] = (await Promise.all([create(), create()])) as [string, string]
    await send(goes, ['x'])
    const { failure } = await observe(job(), { runtime: hurried(10) })
    await eventually(async () => (await seen(database)).length === 1)
    await (await kafkaAdmin()).deleteTopics({ topics: [goes] })
    const halted = {
      code: 'TOPIC_MISSING',
      message: `topic "${goes}" has vanished from the cluster: it was read, and does not exist any more. The stored positions of its partitions stay. Restore the topic, or exclude it by topicPattern if it was deleted on purpose`,
    }
    expect(await failure()).toMatchObject(halted)
    expect(await startFailure(job(), { runtime: hurried(10) })).toMatchObject(halted)
    const positions = await database.knex('oncesink.oncesink_offsets').where({ job: family, topic: goes })
    expect(positions).toMatchObject([{ next_offset: '1' }])

    // The cure that the message names.
    await send(stays, ['y'])
    await drain(job({ topicPattern: new RegExp(`^(?!${goes}$)${family}_`) }))
    expect(await seen(database)).toEqual([...of(stays, ['y']), ...of(goes, ['x'])].sort())
  })
})

test('a topic that is read by its name and vanishes is named as one that was there', async () => {
  const { database, job, create } = await openFamily('named')
  const topic = await create()
  await send(topic, ['x'])
  const { failure } = await observe(job({ topics: [topic] }), { runtime: hurried(10) })
  await eventually(async () => (await seen(database)).length === 1)
  await (await kafkaAdmin()).deleteTopics({ topics: [topic] })
  expect(await failure()).toMatchObject({
    code: 'TOPIC_MISSING',
    message: expect.stringMatching(`topic "${topic}" has vanished from the cluster.* exclude it by topics`),
  })
})

describe('selected partitions', () => {
  test('only they are read, and verify is content; the others begin where the job did when they are read later', async () => {
    const { database, job, create } = await openFamily('some')
    const topic = await create(3)
    for (const partition of [0, 1, 2]) await send(topic, ['a'], partition)
    const some = job({ topics: [topic], partitions: { [topic]: [2, 0] } })
    const { heard } = await drain(some)
    expect(heard.claimed[0]?.claims.map(({ partition }) => partition)).toEqual([0, 2])
    expect(await seen(database)).toEqual([...of(topic, ['a']), ...of(topic, ['a'], 2)])
    expect(await verified(some)).toMatchObject({ outcome: 'ok', recordsReplayed: 2 })

    await send(topic, ['b'], 1)
    await drain(job({ topics: [topic] }))
    expect(await seen(database)).toEqual([0, 1, 1, 2].map((p, i) => `${topic}/${p} ${i === 2 ? 'b' : 'a'}`))
  })

  test('two processes share a job by reading different ones', async () => {
    const { database, job, create } = await openFamily('shared')
    const topic = await create(2)
    const runs = await Promise.all(
      [0, 1].map((partition) => observe(job({ topics: [topic], partitions: { [topic]: [partition] } }))),
    )
    for (let round = 0; round < 3; round++) {
      for (const partition of [0, 1]) await send(topic, [`v${round}`], partition)
      await eventually(async () => (await seen(database)).length === 2 * (round + 1))
    }
    for (const { running } of runs) await running.stop()
    expect(runs.map(({ heard }) => heard.claimed.length)).toEqual([1, 1])
    const values = ['v0', 'v1', 'v2']
    expect(await seen(database)).toEqual([...of(topic, values), ...of(topic, values, 1)])
    expect(await verified(job({ topics: [topic] }))).toMatchObject({ outcome: 'ok' })
  })

  test('one that does not exist is refused with the numbers there are', async () => {
    const { job, create } = await openFamily('beyond')
    const topic = await create(2)
    expect(await startFailure(job({ partitions: { [topic]: [0, 2] } }))).toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: `kafka(): partitions.${topic} names partition 2, but topic "${topic}" has 2 (0 to 1); correct it, or add the partition to the topic first`,
    })
  })
})

function verified(job: Job) {
  const runtime = systemRuntime
  const source = createLogToCheck(job, runtime)
  return verifyJob({
    job,
    dialect: createDialect(job, runtime),
    source,
    runtime,
    onProgress: () => undefined,
  })
}
