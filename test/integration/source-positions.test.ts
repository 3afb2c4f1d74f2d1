import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createKafkaSource } from '../../src/source/kafka/kafka-source.ts'
import { kafka } from '../../src/source/kafka/options.ts'
import { EventBus } from '../../src/telemetry/events.ts'
import { ends, never, openSource, positionsAt, takeRecords } from '../support/kafka-reading.ts'
import { createTopic, kafkaClient, kafkaService, produce } from '../support/kafka-service.ts'
import { uniqueName } from '../support/unique.ts'

const numbered = (count: number) => Array.from({ length: count }, (_, i) => ({ value: `v${i}` }))
const limits = { maxRecords: 1000, maxWaitMs: 15_000, includeEmptyRanges: false, order: 'fair' } as const

async function adminClient() {
  const admin = kafkaClient().admin()
  onTestFinished(() => admin.disconnect())
  await admin.connect()
  return admin
}

async function deleteRecordsBelow(topic: string, offset: string) {
  const admin = await adminClient()
  await admin.fetchTopicMetadata({ topics: [topic] })
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] })
}

function closedSource(brokers: readonly string[], topic: string) {
  const plan = kafka({ brokers, topics: [topic], connectionTimeoutMs: 500, requestTimeoutMs: 1000 })
  const source = createKafkaSource(plan, {
    runtime: systemRuntime,
    events: new EventBus(),
    maxBufferedBytes: 1e6,
  })
  onTestFinished(() => source.close())
  return source
}

describe('opening', () => {
  test('brokers that nobody answers at are named', async () => {
    const brokers = ['127.0.0.1:1', 'localhost:2']
    const began = Date.now()
    await expect(closedSource(brokers, 't').open()).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/127\.0\.0\.1:1, localhost:2/),
    })
    expect(Date.now() - began).toBeLessThan(5000)
  })

  test('a broker that accepts connections and never answers is given up after its time', async () => {
    const server = createServer(() => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
    })
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const source = closedSource([`127.0.0.1:${port}`], 't')
    await expect(source.open()).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
    await source.close()
  })

  test('the first broker of the list may be down', async () => {
    const topic = await createTopic('second_broker')
    const source = closedSource(['127.0.0.1:1', ...kafkaService().brokers], topic)
    await source.open()
    expect((await source.describe()).topics).toMatchObject([{ topic, partitions: 1 }])
  })

  test('a missing topic is named and not created', async () => {
    const topic = uniqueName('missing')
    await expect(closedSource(kafkaService().brokers, topic).open()).rejects.toMatchObject({
      code: 'TOPIC_MISSING',
      message: expect.stringContaining(`"${topic}"`),
    })
    const admin = await adminClient()
    expect(await admin.listTopics()).not.toContain(topic)
  })

  test('a closed source refuses everything and can be closed again', async () => {
    const topic = await createTopic('closed')
    const { source } = await openSource([topic])
    const positions = await positionsAt(source, 0n)
    await source.seek(positions)
    await source.close()
    await source.close()
    expect(await source.take({ ...limits, maxWaitMs: 10 }, never)).toEqual([])
    await expect(source.describe()).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
  })
})

describe('seeking', () => {
  test('a position that retention has passed names the records that are lost', async () => {
    const topic = await createTopic('retention')
    await produce(topic, numbered(20))
    await deleteRecordsBelow(topic, '12')
    const { source } = await openSource([topic])
    await expect(source.seek(await positionsAt(source, 5n))).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: expect.stringContaining(`records [5, 12) of ${topic}/0 are no longer in the log`),
      partition: { topic, partition: 0 },
    })
    await source.seek(await positionsAt(source, 12n))
    expect((await takeRecords(source, 8)).records[0]?.offset).toBe(12)
  })

  test('a position past the end of the log is refused', async () => {
    const topic = await createTopic('past_end')
    await produce(topic, numbered(3))
    const { source } = await openSource([topic])
    await expect(source.seek(await positionsAt(source, 4n))).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: expect.stringContaining(`records [3, 4) of ${topic}/0`),
    })
    await source.seek(await positionsAt(source, 3n))
  })

  test('a leader epoch that the log does not know means that it was truncated', async () => {
    const topic = await createTopic('unknown_epoch')
    await produce(topic, numbered(3))
    const { source } = await openSource([topic])
    const positions = (await positionsAt(source, 3n)).map((position) => ({ ...position, leaderEpoch: 7 }))
    await expect(source.seek(positions)).rejects.toMatchObject({
      code: 'LOG_TRUNCATED',
      message: expect.stringMatching(/knows no leader epoch 7/),
    })
  })

  test('the position of a topic that was created again is refused, though it has grown past it', async () => {
    const topic = await createTopic('recreated')
    await produce(topic, numbered(10))
    const { source } = await openSource([topic])
    const old = await positionsAt(source, 10n)
    const admin = await adminClient()
    await admin.deleteTopics({ topics: [topic] })
    await recreate(topic)
    await produce(topic, numbered(30))
    await expect(source.seek(old)).rejects.toMatchObject({
      code: 'TOPIC_RECREATED',
      message: expect.stringContaining(old[0]?.topicId ?? 'no id'),
    })
    await source.seek(await positionsAt(source, 10n))
    expect((await takeRecords(source, 20)).records.length).toBe(20)
  })
})

describe('while reading', () => {
  test('a topic that is created again stops the reading, and none of its records is taken for an old one', async () => {
    const topic = await createTopic('recreated_live')
    await produce(topic, numbered(10))
    const { source } = await openSource([topic])
    await source.seek(await positionsAt(source, 0n))
    await takeRecords(source, 10)
    const admin = await adminClient()
    await admin.deleteTopics({ topics: [topic] })
    await recreate(topic)
    await produce(topic, numbered(30))
    await expect(source.take(limits, never)).rejects.toMatchObject({ code: 'TOPIC_RECREATED' })
    // It does not come back to life by itself.
    await expect(source.take(limits, never)).rejects.toMatchObject({ code: 'TOPIC_RECREATED' })
  })

  test('retention that overtakes a slow reader: what was fetched is handed out, then the lost records are named', async () => {
    const topic = await createTopic('overtaken')
    const value = 'x'.repeat(1000)
    for (let i = 0; i < 10; i++)
      await produce(
        topic,
        Array.from({ length: 50 }, () => ({ value })),
      )
    const fetch = { maxBytesPerPartition: 60_000, maxBytes: 60_000 }
    const { source } = await openSource([topic], { fetch }, 100_000)
    await source.seek(await positionsAt(source, 0n))
    await takeRecords(source, 1, { maxRecords: 1 })
    await deleteRecordsBelow(topic, '450')
    const seen: number[] = [1]
    const reading = async () => {
      for (;;)
        for (const { records } of await source.take({ ...limits, maxRecords: 10 }, never)) seen.push(records)
    }
    const error: unknown = await reading().catch((reason: unknown) => reason)
    const handedOut = seen.reduce((a, b) => a + b, 0)
    expect(handedOut).toBeGreaterThanOrEqual(50)
    expect(handedOut).toBeLessThan(450)
    expect(error).toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: expect.stringContaining(`records [${handedOut}, 450) of ${topic}/0 are no longer in the log`),
    })
  })

  test('a topic that is deleted stops the reading after a while', async () => {
    const topic = await createTopic('deleted_live')
    const { source } = await openSource([topic])
    await source.seek(await positionsAt(source, 0n))
    const admin = await adminClient()
    await admin.deleteTopics({ topics: [topic] })
    onTestFinished(() => recreate(topic))
    await expect(source.take({ ...limits, maxWaitMs: 30_000 }, never)).rejects.toMatchObject({
      code: 'TOPIC_MISSING',
      message: expect.stringContaining(`"${topic}"`),
    })
    expect((await ends((await openSource([await createTopic('other')])).source)).size).toBe(1)
  })
})

/** Creates the topic again once the broker has finished deleting it. */
async function recreate(topic: string): Promise<void> {
  const admin = await adminClient()
  for (;;) {
    try {
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1 }] })
      return
    } catch (error) {
      if (!String(error).includes('already exists')) throw error
    }
  }
}
