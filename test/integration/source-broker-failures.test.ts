import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { SeededRandom } from '../../src/runtime/seeded-random.ts'
import type { NativeKafka } from '../../src/services/index.ts'
import { freePort } from '../../src/services/native/free-ports.ts'
import { eventually } from '../support/eventually.ts'
import { openMember } from '../support/group-member.ts'
import { kafkaProxy } from '../support/kafka-proxy.ts'
import { Collector, never, openSource, positionsAt, takeRecords } from '../support/kafka-reading.ts'
import { createTopic, kafkaClient, ownKafka, produce } from '../support/kafka-service.ts'
import { uniqueName } from '../support/unique.ts'

const limits = { maxRecords: 500, maxWaitMs: 200, includeEmptyRanges: false, order: 'fair' } as const
const numbered = (from: number, until: number) =>
  Array.from({ length: until - from }, (_, i) => ({ partition: (from + i) % 3, value: `v${from + i}` }))

describe('a broker that fails', () => {
  let kafka: NativeKafka
  beforeAll(async () => {
    kafka = await ownKafka({ memory: '256m' })
  })

  test('is killed and started again: every record comes once, and both are announced', async () => {
    const { brokers } = kafka
    const topic = await createTopic('killed', { partitions: 3, brokers })
    await produce(topic, numbered(0, 30_000), brokers)
    const fetch = { maxBytesPerPartition: 20_000 }
    const { source, events } = await openSource([topic], { brokers, fetch }, 100_000)
    const [retrying, recovered]: [number[], number[]] = [[], []]
    events.on('retrying', ({ attempt }) => retrying.push(attempt))
    events.on('recovered', () => recovered.push(retrying.length))
    await source.seek(await positionsAt(source, 0n))
    const collector = new Collector()
    const takeSome = async () => collector.add(await source.take(limits, never))
    while (collector.records.length < 10_000) await takeSome()
    await kafka.kill('SIGKILL')
    while (retrying.length < 3) await takeSome()
    await kafka.restart()
    await produce(topic, numbered(30_000, 33_000), brokers)
    await eventually(async () => {
      await takeSome()
      return collector.records.length >= 33_000
    })
    // This producer sends again what a broker that has just started did not acknowledge: the log is the truth.
    const marks = await source.watermarks(await positionsAt(source, 0n))
    const inLog = marks.reduce((sum, { high }) => sum + Number(high), 0)
    while (collector.records.length < inLog) await takeSome()
    expect(await source.take({ ...limits, maxWaitMs: 1000 }, never)).toEqual([])
    expect(new Set(collector.values).size).toBe(33_000)
    expect(collector.records.length).toBe(inLog)
    const read = new Set(collector.records.map(({ partition, offset }) => `${partition}/${offset}`))
    expect(read.size).toBe(inLog)
    expect(recovered).toEqual([retrying.length])
    expect(retrying).toEqual(retrying.map((_, i) => i + 1))
    // A restarted leader has another epoch, and its records carry it.
    const epochs = collector.ranges.map(({ leaderEpoch }) => leaderEpoch)
    expect(epochs.at(-1)).toBeGreaterThan(epochs[0] ?? 0)
  })

  test('is killed while it coordinates a group: members keep what they have, and divide it anew when it is back', async () => {
    const { brokers } = kafka
    const source = {
      brokers,
      topics: [await createTopic('coordinated', { partitions: 4, brokers })],
      sessionTimeoutMs: 60_000,
      rebalanceTimeoutMs: 60_000,
    }
    const group = uniqueName('coordinated')
    const [a, b] = [await openMember(group, source), await openMember(group, source)]
    await eventually(() => a.owned().length === 2 && b.owned().length === 2)
    const before = [a.owned(), b.owned()]
    const heard: string[] = []
    a.events.on('retrying', ({ what }) => heard.push(what))
    a.events.on('recovered', () => heard.push('recovered'))
    await kafka.kill('SIGKILL')
    await eventually(() => heard.length > 2)
    await expect(a.membership.confirm()).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
    await kafka.restart()
    await eventually(() => heard.includes('recovered'))
    // The broker answers before it has read its groups again.
    await eventually(() => a.membership.confirm().catch(() => false))
    expect([a.owned(), b.owned()]).toEqual(before)
    await b.close()
    await eventually(() => a.owned().length === 4)
  })

  test('hangs: requests are given up after their time, and the reading goes on when it answers again', async () => {
    const { brokers } = kafka
    const topic = await createTopic('hung', { partitions: 3, brokers })
    await produce(topic, numbered(0, 30), brokers)
    const { source, events } = await openSource([topic], { brokers, requestTimeoutMs: 600 })
    const reasons: string[] = []
    events.on('retrying', ({ error }) => reasons.push(error.message))
    await source.seek(await positionsAt(source, 0n))
    await takeRecords(source, 30)
    await kafka.kill('SIGSTOP')
    try {
      await eventually(() => reasons.some((reason) => reason.includes('timed out')))
    } finally {
      await kafka.kill('SIGCONT')
    }
    await produce(topic, numbered(30, 60), brokers)
    expect((await takeRecords(source, 30)).values.sort()).toEqual(numbered(30, 60).map(({ value }) => value))
  })

  test('loses the end of its log: a position past the end of its leader epoch is refused', async () => {
    const { brokers } = kafka
    const topic = await createTopic('truncated', { brokers })
    await produce(
      topic,
      Array.from({ length: 10 }, () => ({ value: 'x' })),
      brokers,
    )
    await kafka.kill('SIGKILL')
    await kafka.restart()
    await produce(
      topic,
      Array.from({ length: 20 }, () => ({ value: 'y' })),
      brokers,
    )
    const { source } = await openSource([topic], { brokers })
    const [position] = await positionsAt(source, 15n)
    if (position === undefined) throw new Error('no partition')
    // As if offsets 10 to 15 had been read in the first leader's epoch, and a leader without them had taken over.
    await expect(source.seek([{ ...position, leaderEpoch: 0 }])).rejects.toMatchObject({
      code: 'LOG_TRUNCATED',
      message: expect.stringContaining(`records [10, 15) of ${topic}/0 were read in leader epoch 0`),
    })
    await source.seek([{ ...position, nextOffset: 10n, leaderEpoch: 0 }])
    const [first] = (await takeRecords(source, 20)).ranges
    await source.seek([{ ...position, leaderEpoch: first?.leaderEpoch ?? -1 }])
    expect((await takeRecords(source, 15)).records[0]?.offset).toBe(15)
  })
})

describe('a network that fails', () => {
  let kafka: NativeKafka
  let [listenPort, proxyPort] = [0, 0]
  beforeAll(async () => {
    listenPort = await freePort()
    proxyPort = await freePort([listenPort])
    const advertised = `PLAINTEXT://127.0.0.1:${proxyPort}`
    kafka = await ownKafka({
      memory: '256m',
      port: listenPort,
      properties: { 'advertised.listeners': advertised },
    })
  })

  async function filledTopic(stem: string, count: number) {
    const proxy = await kafkaProxy(proxyPort, listenPort)
    const { brokers } = kafka
    const topic = await createTopic(stem, { partitions: 3, brokers })
    await produce(topic, numbered(0, count), brokers)
    return { proxy, topic, brokers }
  }

  test('cuts connections over and over: every record comes once', async () => {
    const { proxy, topic, brokers } = await filledTopic('cut', 20_000)
    const fetch = { maxBytesPerPartition: 4096 }
    const { source, events } = await openSource([topic], { brokers, fetch }, 30_000)
    const retries: number[] = []
    events.on('retrying', ({ attempt }) => retries.push(attempt))
    await source.seek(await positionsAt(source, 0n))
    const collector = new Collector()
    let cuts = 0
    while (collector.records.length < 20_000) {
      collector.add(await source.take({ ...limits, maxRecords: 300 }, never))
      if (collector.ranges.length % 7 === 0 && proxy.cut() > 0) cuts += 1
    }
    expect(cuts).toBeGreaterThan(5)
    expect(retries.length).toBeGreaterThan(0)
    expect(collector.records.length).toBe(20_000)
    expect(new Set(collector.values).size).toBe(20_000)
  })

  test('cuts every response that is not small: what is asked for gets smaller, and every record comes once', async () => {
    const proxy = await kafkaProxy(proxyPort, listenPort)
    const { brokers } = kafka
    const topic = await createTopic('cut-short', { partitions: 3, brokers })
    // Record batches of 100 records: one of them gets through, and more than a few do not.
    for (let i = 0; i < 9_000; i += 300) await produce(topic, numbered(i, i + 300), brokers)
    const { source, events } = await openSource([topic], { brokers })
    let [retries, connections] = [0, 0]
    events.on('retrying', () => {
      retries += 1
    })
    await source.seek(await positionsAt(source, 0n))
    // The first response would bring all of them, and is cut too.
    const random = new SeededRandom(5)
    proxy.cutAfter(() => {
      connections += 1
      return 3_000 + Math.floor(random.fraction() * 9_000)
    })
    proxy.cut()
    const collector = new Collector()
    const deadline = Date.now() + 60_000
    while (collector.records.length < 9_000 && Date.now() < deadline) {
      collector.add(await source.take(limits, never))
    }
    expect(collector.values.sort()).toEqual(
      numbered(0, 9_000)
        .map(({ value }) => value)
        .sort(),
    )
    expect(retries).toBeGreaterThan(5)
    // It neither spins, which would be seen here, nor leaves connections behind.
    expect(connections).toBeLessThanOrEqual(3 * retries + 3)
    expect(proxy.cut()).toBeLessThanOrEqual(2)
  })

  test('lets connections fall silent: they are replaced after the request timeout', async () => {
    const { proxy, topic, brokers } = await filledTopic('silent', 30)
    const { source } = await openSource([topic], { brokers, requestTimeoutMs: 700 })
    await source.seek(await positionsAt(source, 0n))
    await takeRecords(source, 30)
    expect(proxy.silence()).toBeGreaterThan(0)
    const client = kafkaClient([`127.0.0.1:${listenPort}`])
    const producer = client.producer()
    onTestFinished(() => producer.disconnect())
    await producer.connect()
    await producer.send({ topic, messages: numbered(30, 60) })
    expect((await takeRecords(source, 30)).records.length).toBe(30)
  })
})
