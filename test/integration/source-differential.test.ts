import { randomInt } from 'node:crypto'
import kafkajs, { CompressionTypes } from 'kafkajs'
import snappyjs from 'snappyjs'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { topicPartitionKey } from '../../src/model/topic-partition.ts'
import { SeededRandom } from '../../src/runtime/seeded-random.ts'
import { recordHeaderList, recordKey, recordOffset, recordValue } from '../../src/source/record-fields.ts'
import type { FetchedRange } from '../../src/source/source.ts'
import { eventually } from '../support/eventually.ts'
import { JavaClient, recordLine } from '../support/java-client.ts'
import { openSecondReader, openSource, positionsAt, readAgain, takeUntil } from '../support/kafka-reading.ts'
import { createTopic, kafkaClient, kafkaService } from '../support/kafka-service.ts'
import { type LogContents, type RandomLogOptions, writeRandomLog } from '../support/random-log.ts'
import { type RawLog, readRawLog } from '../support/raw-log.ts'

/** ONCESINK_SEED repeats a run; a failure names the seed of its own. */
const seed = Number(process.env.ONCESINK_SEED ?? randomInt(2 ** 31))
const isolations = ['read_committed', 'read_uncommitted'] as const

let java: JavaClient
beforeAll(async () => {
  java = await JavaClient.start()
  for (const isolation of isolations) {
    await java.consumer(isolation, {
      'bootstrap.servers': kafkaService().brokers.join(),
      'isolation.level': isolation,
      'fetch.max.wait.ms': 20,
      'auto.offset.reset': 'none',
    })
  }
})
afterAll(() => java.stop())

interface WrittenLog {
  readonly topic: string
  readonly random: SeededRandom
  readonly contents: LogContents
}

async function written(
  stem: string,
  config: Readonly<Record<string, string>>,
  options: Omit<RandomLogOptions, 'topic'>,
): Promise<WrittenLog> {
  const topic = await createTopic(stem, { config })
  const random = new SeededRandom(seed)
  const contents = await writeRandomLog(java, kafkaService().brokers, random, { ...options, topic })
  return { topic, random, contents }
}

/** The reader, the checker's reader and the Java consumer read the same, from each of `offsets` (default: every offset of the log). */
async function expectSame({ topic, random }: WrittenLog, offsets?: readonly number[]): Promise<RawLog> {
  const log = await readRawLog(topic)
  for (const isolation of isolations) {
    // Sometimes a fetch brings one batch, sometimes many: what is known of aborted transactions differs.
    const maxBytesPerPartition = 1024 * 2 ** random.integer(0, 6)
    const options = { isolation, fetch: { maxBytesPerPartition, maxWaitMs: 20 } }
    const { source } = await openSource([topic], options)
    const second = await openSecondReader([topic], options)
    const [position] = await positionsAt(source, 0n)
    if (position === undefined) throw new Error('no partition')
    const until = new Map([[topicPartitionKey(position), BigInt(log.end)]])
    for (const from of offsets ?? Array.from({ length: log.end }, (_, offset) => offset)) {
      const expected = await java.read(isolation, topic, 0, from)
      await source.seek([{ ...position, nextOffset: BigInt(from) }])
      const { ranges } = await takeUntil(source, until)
      const where = `seed ${seed}, ${isolation} from ${from}, at most ${maxBytesPerPartition} bytes a fetch`
      expect(linesOf(ranges), where).toEqual(expected)
      expect(source.progress()[0]?.position, where).toBe(BigInt(Math.max(log.end, from)))
      // Every seek asks several times; what was read before has no part in it.
      if (random.fraction() > 0.4) continue
      const again = await readAgain(second, [{ ...position, nextOffset: BigInt(from) }], until)
      expect(linesOf(again.ranges), `again, ${where}`).toEqual(expected)
      expect(again.ranges.at(-1)?.range.until, `again, ${where}`).toBe(BigInt(log.end))
    }
    await source.close()
  }
  return log
}

function linesOf(ranges: readonly FetchedRange[]): string[] {
  return ranges.flatMap(({ slices }) =>
    slices.flatMap(({ segment, begin, end }) =>
      Array.from({ length: end - begin }, (_, n) => {
        const i = begin + n
        const timestampMs = segment.timestamps[i] ?? Number.NaN
        const [key, value] = [recordKey(segment, i), recordValue(segment, i)]
        return recordLine(recordOffset(segment, i), {
          timestampMs,
          key,
          value,
          headers: recordHeaderList(segment, i),
        })
      }),
    ),
  )
}

test('every codec in one topic, with headers, null keys and values, and bare snappy blocks between', async () => {
  const log = await written('mixed', {}, { rounds: 35, keys: 20, nullKeys: true, transactions: false })
  await produceBareSnappy(log.topic)
  const raw = await expectSame(log)
  expect([...raw.codecs].sort(), `seed ${seed}`).toEqual([0, 1, 2, 3, 4])
})

test('transactions of several producers that interleave, committed and aborted', async () => {
  const log = await written('interleaved', {}, { rounds: 60, keys: 20, nullKeys: true, transactions: true })
  expect(log.contents.commits, `seed ${seed}`).toBeGreaterThan(0)
  expect(log.contents.aborts, `seed ${seed}`).toBeGreaterThan(0)
  const raw = await expectSame(log)
  expect(raw.controlBatches, `seed ${seed}`).toBe(log.contents.commits + log.contents.aborts)
})

test('timestamps that the broker has set', async () => {
  const config = { 'message.timestamp.type': 'LogAppendTime' }
  const log = await written('append_time', config, {
    rounds: 25,
    keys: 20,
    nullKeys: true,
    transactions: true,
  })
  const raw = await expectSame(log)
  expect(raw.appendTimeBatches, `seed ${seed}`).toBeGreaterThan(10)
})

/** Segments end with every few records; what is written last lets the cleaner at the one before. */
const compacting = {
  'cleanup.policy': 'compact',
  'segment.ms': '10000',
  'min.cleanable.dirty.ratio': '0.01',
  'min.compaction.lag.ms': '0',
  'max.compaction.lag.ms': '1000',
}

test.each([
  ['delete markers and transaction markers are kept', { 'delete.retention.ms': '86400000' }],
  ['delete markers and transaction markers are gone too', { 'delete.retention.ms': '0' }],
])('a compacted log, from which %s', async (_, retention) => {
  const options = { rounds: 60, keys: 6, nullKeys: false, transactions: true }
  const log = await written('compacted', { ...compacting, ...retention }, options)
  await cleaned(log)
  const raw = await expectSame(log)
  // Batches without records are kept for their producers' state, and offsets are missing between others.
  expect(raw.emptyBatches, `seed ${seed}`).toBeGreaterThan(0)
  expect(raw.records, `seed ${seed}`).toBeLessThan(log.contents.records / 2)
})

/** Resolves when the cleaner has been through the log, and finds nothing more to do. */
async function cleaned({ topic, contents }: WrittenLog): Promise<void> {
  let last = ''
  let sinceMs = 0
  await eventually(async () => {
    const log = await readRawLog(topic)
    if (log.fingerprint !== last) sinceMs = Date.now()
    last = log.fingerprint
    // The cleaner looks every half second.
    return log.records < contents.records / 2 && Date.now() - sinceMs > 1500
  }, 60_000)
}

/** As clients other than Java's write snappy: one block, without the frames of xerial. */
async function produceBareSnappy(topic: string): Promise<void> {
  kafkajs.CompressionCodecs[CompressionTypes.Snappy] = () => ({
    compress: ({ buffer }: { readonly buffer: Buffer }) =>
      Promise.resolve(Buffer.from(snappyjs.compress(buffer))),
    decompress: () => Promise.reject(new Error('nothing is read here')),
  })
  const producer = kafkaClient().producer()
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  const messages = Array.from({ length: 20 }, (_, i) => ({ key: `k${i}`, value: 'snappy '.repeat(i) }))
  await producer.send({ topic, messages, compression: CompressionTypes.Snappy })
}
