import { describe, expect, onTestFinished, test } from 'vitest'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createAllPartitions } from '../../src/source/kafka/all-partitions.ts'
import { eventually } from '../support/eventually.ts'
import { never, openSource, positionsAt, takeRecords, takeUntil } from '../support/kafka-reading.ts'
import { createTopic, kafkaClient, produce } from '../support/kafka-service.ts'

const numbered = (count: number, partitions = 1) =>
  Array.from({ length: count }, (_, i) => ({ partition: i % partitions, value: `v${i}` }))

async function adminClient(topic: string) {
  const admin = kafkaClient().admin()
  onTestFinished(() => admin.disconnect())
  await admin.connect()
  // kafkajs knows no topic's partitions before it was asked about one.
  await admin.fetchTopicMetadata({ topics: [topic] })
  return admin
}

describe('reading', () => {
  test('records arrive once, in order, with everything that belongs to them', async () => {
    const topic = await createTopic('reading', { partitions: 2 })
    await produce(topic, [
      { partition: 0, key: 'k', value: 'v', timestamp: '1700000000001', headers: { a: '1', b: '' } },
      { partition: 0, key: null, value: null, timestamp: '1700000000000' },
      { partition: 1, key: '', value: 'ü', timestamp: '1700000000002' },
    ])
    const { source } = await openSource([topic])
    await source.seek(await positionsAt(source, 0n))
    const { records } = await takeRecords(source, 3)
    const [where0, where1] = [
      { topic, partition: 0 },
      { topic, partition: 1 },
    ]
    expect(records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)).toEqual([
      { ...where0, offset: 0, timestampMs: 1700000000001, key: 'k', value: 'v', headers: { a: '1', b: '' } },
      { ...where0, offset: 1, timestampMs: 1700000000000, key: null, value: null, headers: {} },
      { ...where1, offset: 0, timestampMs: 1700000000002, key: '', value: 'ü', headers: {} },
    ])
  })

  test.each(['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed'])(
    'records that the broker has stored as %s are read',
    async (codec) => {
      const topic = await createTopic(`codec_${codec}`, { config: { 'compression.type': codec } })
      // Long and repetitive enough for several blocks and back references.
      const values = Array.from({ length: 3000 }, (_, i) => `value-${i % 17}-${'x'.repeat(i % 100)}-${i}`)
      await produce(
        topic,
        values.map((value) => ({ value })),
      )
      const { source } = await openSource([topic])
      await source.seek(await positionsAt(source, 0n))
      expect((await takeRecords(source, 3000)).values).toEqual(values)
    },
  )

  test('a cut batch goes on where it was cut, in this process or after a seek into the middle', async () => {
    const topic = await createTopic('cuts', { config: { 'compression.type': 'gzip' } })
    await produce(topic, numbered(50))
    const { source } = await openSource([topic])
    const [position] = await positionsAt(source, 0n)
    if (position === undefined) throw new Error('no partition')
    await source.seek([position])
    const whole = await takeRecords(source, 50, { maxRecords: 7 })
    expect(whole.values).toEqual(numbered(50).map(({ value }) => value))
    expect(whole.ranges.map(({ range }) => Number(range.until))).toEqual([7, 14, 21, 28, 35, 42, 49, 50])
    for (const from of [1, 25, 49]) {
      await source.seek([{ ...position, nextOffset: BigInt(from), leaderEpoch: 0 }])
      const rest = await takeRecords(source, 50 - from)
      expect(rest.records[0]?.offset).toBe(from)
      expect(rest.ranges[0]?.range.from).toBe(BigInt(from))
    }
  })

  test('a record larger than every limit gets through, beside others', async () => {
    const topic = await createTopic('large', { partitions: 3 })
    const large = 'x'.repeat(600_000)
    await produce(topic, [
      ...numbered(300, 3),
      ...[0, 1, 2].map((partition) => ({ partition, value: large })),
    ])
    await produce(topic, numbered(300, 3))
    const fetch = { maxBytesPerPartition: 1024, maxBytes: 1024, maxWaitMs: 100 }
    const { source } = await openSource([topic], { fetch }, 4096)
    await source.seek(await positionsAt(source, 0n))
    const { values } = await takeRecords(source, 603, { maxRecords: 50 })
    expect(values.filter((value) => value === large).length).toBe(3)
  })

  test('a partition whose buffer was full is fetched again as soon as it is drained', async () => {
    const topic = await createTopic('skewed', { partitions: 2 })
    const value = 'x'.repeat(1000)
    for (let i = 0; i < 4; i++) {
      await produce(
        topic,
        Array.from({ length: 500 }, () => ({ partition: 0, value })),
      )
    }
    // Partition 1 stays empty: waiting for it at the broker would take 20 s each time.
    const fetch = { maxWaitMs: 20_000, maxBytesPerPartition: 40_000, maxBytes: 80_000 }
    const { source } = await openSource([topic], { fetch, requestTimeoutMs: 30_000 }, 200_000)
    await source.seek(await positionsAt(source, 0n))
    const buffered = () => source.progress().reduce((sum, p) => sum + p.bufferedBytes, 0)
    let [last, unchanged] = [0, 0]
    await eventually(() => {
      unchanged = buffered() === last ? unchanged + 1 : 0
      last = buffered()
      return last > 0 && unchanged > 10
    })
    const began = Date.now()
    await takeRecords(source, 2000)
    expect(Date.now() - began).toBeLessThan(10_000)
  })

  test('what is buffered stays within its limit while nobody takes it', async () => {
    const topic = await createTopic('bounded', { partitions: 4 })
    const value = 'x'.repeat(1000)
    for (let i = 0; i < 25; i++) {
      await produce(
        topic,
        Array.from({ length: 160 }, (_, n) => ({ partition: n % 4, value })),
      )
    }
    const { source } = await openSource([topic], {}, 1_000_000)
    await source.seek(await positionsAt(source, 0n))
    const buffered = () => source.progress().reduce((sum, p) => sum + p.bufferedBytes, 0)
    await eventually(() => buffered() > 500_000)
    const samples: number[] = []
    await eventually(() => samples.push(buffered()) > 25)
    // One record batch per partition may overshoot.
    expect(Math.max(...samples)).toBeLessThan(1_000_000 + 4 * 45_000)
    expect((await takeRecords(source, 4000)).records.length).toBe(4000)
  })

  test('a take returns at once when a record arrives, when it is aborted, and when its time is over', async () => {
    const topic = await createTopic('waiting')
    const { source } = await openSource([topic], { fetch: { maxWaitMs: 20_000 }, requestTimeoutMs: 30_000 })
    await source.seek(await positionsAt(source, 0n))
    const limits = { maxRecords: 10, maxWaitMs: 15_000, includeEmptyRanges: false, order: 'fair' } as const
    const began = Date.now()
    const waiting = source.take(limits, never)
    await produce(topic, [{ value: 'a' }])
    expect((await waiting).map(({ records }) => records)).toEqual([1])
    const abort = new AbortController()
    const aborted = source.take(limits, abort.signal)
    abort.abort()
    expect(await aborted).toEqual([])
    expect(await source.take({ ...limits, maxWaitMs: 50 }, never)).toEqual([])
    expect(Date.now() - began).toBeLessThan(10_000)
  })

  test('in sequential order a partition is read up to its bound before the next one is touched', async () => {
    const topic = await createTopic('sequential', { partitions: 3 })
    await produce(topic, numbered(300, 3))
    const { source } = await openSource([topic], { fetch: { maxBytesPerPartition: 1024 } })
    await source.seek(await positionsAt(source, 0n))
    const until = new Map([0, 1, 2].map((partition) => [`${topic}/${partition}`, 50n + BigInt(partition)]))
    const limits = { order: 'sequential', maxRecords: 20, includeEmptyRanges: true, until } as const
    const { records, ranges } = await takeRecords(source, 153, limits)
    expect(records.map(({ partition }) => partition)).toEqual([
      ...Array<number>(50).fill(0),
      ...Array<number>(51).fill(1),
      ...Array<number>(52).fill(2),
    ])
    expect(ranges.filter(({ range }) => range.until >= 50n).map(({ range }) => range.until)).toEqual([
      50n,
      51n,
      52n,
    ])
  })

  test('in fair order every partition with records gets its share', async () => {
    const topic = await createTopic('fair', { partitions: 3 })
    await produce(topic, [...numbered(300, 3), ...numbered(3, 3)])
    const { source } = await openSource([topic])
    await source.seek(await positionsAt(source, 0n))
    await eventually(() => source.progress().every(({ bufferedRecords }) => bufferedRecords === 101))
    const ranges = await source.take(
      { maxRecords: 30, maxWaitMs: 0, includeEmptyRanges: false, order: 'fair' },
      never,
    )
    expect(ranges.map(({ range, records }) => [range.partition, records])).toEqual([
      [0, 10],
      [1, 10],
      [2, 10],
    ])
  })

  test('a seek while fetches are under way drops everything from before it', async () => {
    const topic = await createTopic('reseek')
    await produce(topic, numbered(5000))
    const { source } = await openSource([topic], { fetch: { maxBytesPerPartition: 1024 } })
    const [position] = await positionsAt(source, 0n)
    if (position === undefined) throw new Error('no partition')
    for (let round = 0; round < 30; round++) {
      const nextOffset = BigInt((round * 1777) % 4900)
      await source.seek([{ ...position, nextOffset }])
      const { records, ranges } = await takeRecords(source, 20, { maxRecords: 20 })
      expect(ranges[0]?.range.from).toBe(nextOffset)
      expect(records.map(({ offset }) => offset)).toEqual(records.map((_, i) => Number(nextOffset) + i))
    }
    source.drop([position])
    expect(source.progress()).toEqual([])
    expect(
      await source.take({ maxRecords: 1, maxWaitMs: 0, includeEmptyRanges: true, order: 'fair' }, never),
    ).toEqual([])
  })

  test('of seeks that overlap the last one counts, and a drop overtakes a seek', async () => {
    const topic = await createTopic('overlapping')
    await produce(topic, numbered(20))
    const { source } = await openSource([topic])
    const [position] = await positionsAt(source, 0n)
    if (position === undefined) throw new Error('no partition')
    const offsets = [3n, 9n, 1n, 7n]
    // Asking about a leader epoch takes one more round trip: the earlier seeks end after the last one.
    const seeks = offsets.map((nextOffset, i) =>
      source.seek([{ ...position, nextOffset, leaderEpoch: i < 3 ? 0 : -1 }]),
    )
    await Promise.all(seeks)
    expect((await takeRecords(source, 13)).ranges[0]?.range.from).toBe(7n)
    const seeking = source.seek([position])
    source.drop([position])
    await seeking
    expect(source.progress()).toEqual([])
  })

  test('start offsets follow startFrom, and progress and watermarks tell where the log ends', async () => {
    const topic = await createTopic('starts', { partitions: 3 })
    await produce(topic, numbered(30, 3))
    const admin = await adminClient(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: '4' }] })
    const { source } = await openSource([topic])
    const positions = await positionsAt(source, 0n)
    expect(await source.startOffsets(positions, 'earliest')).toEqual([0n, 4n, 0n])
    expect(await source.startOffsets(positions, 'latest')).toEqual([10n, 10n, 10n])
    const offsets = { [topic]: { 0: 7n } }
    expect(await source.startOffsets([...positions].reverse(), { offsets })).toEqual([0n, 4n, 7n])
    expect(await source.watermarks(positions.slice(1))).toEqual([
      { topic, partition: 1, low: 4n, high: 10n, lastStable: 10n },
      { topic, partition: 2, low: 0n, high: 10n, lastStable: 10n },
    ])
    await source.seek(positions.slice(0, 1))
    await takeUntil(source, new Map([[`${topic}/0`, 10n]]))
    expect(source.progress()).toEqual([
      { topic, partition: 0, position: 10n, endOffset: 10n, bufferedBytes: 0, bufferedRecords: 0 },
    ])
  })

  test('a start timestamp is the first record at or after it, and the end where there is none', async () => {
    const topic = await createTopic('since', { partitions: 2 })
    const at = Date.UTC(2026, 0, 31, 12)
    await produce(
      topic,
      [0, 1_000, 2_000].map((ms, i) => ({ partition: 0, value: `${i}`, timestamp: String(at + ms) })),
    )
    const { source } = await openSource([topic])
    const positions = await positionsAt(source, 0n)
    const startsAt = (ms: number) => source.startOffsets(positions, { timestamp: new Date(at + ms) })
    expect(await startsAt(-1)).toEqual([0n, 0n])
    expect(await startsAt(1_000)).toEqual([1n, 0n])
    expect(await startsAt(1_001)).toEqual([2n, 0n])
    expect(await startsAt(2_001)).toEqual([3n, 0n])
    expect(await source.startOffsets(positions, { timestamp: '2026-01-31T12:00:02Z' })).toEqual([2n, 0n])
  })

  test('partitions that are added later are gained, and read from their beginning', async () => {
    const topic = await createTopic('growing', { partitions: 1 })
    const other = await createTopic('constant', { partitions: 2 })
    const { source } = await openSource([topic, other])
    const membership = createAllPartitions(source, { runtime: systemRuntime, metadataRefreshMs: 50 })
    onTestFinished(() => membership.stop())
    const all = [
      { topic: other, partition: 0 },
      { topic: other, partition: 1 },
      { topic, partition: 0 },
    ]
    expect(await membership.start()).toEqual(all)
    expect(membership.takeChanges()).toEqual({ gained: [], lost: [] })
    const admin = await adminClient(topic)
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
    const gained: unknown[] = []
    await eventually(() => {
      gained.push(...membership.takeChanges().gained)
      return gained.length === 2
    })
    expect(gained).toEqual([
      { topic, partition: 1 },
      { topic, partition: 2 },
    ])
    expect(await membership.confirm()).toBe(true)
  })
})
