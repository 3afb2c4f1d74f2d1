import { describe, expect, test } from 'vitest'
import type { LogSource, ReplayLimits } from '../../src/source/source.ts'
import { deleteRecordsBelow, kafkaAdmin } from '../support/kafka-admin.ts'
import {
  ends,
  never,
  openSecondReader,
  openSource,
  positionsAt,
  readAgain,
  takeUntil,
} from '../support/kafka-reading.ts'
import { createTopic, kafkaClient, produce } from '../support/kafka-service.ts'

const numbered = (count: number, bytes = 0) =>
  Array.from({ length: count }, (_, i) => ({ value: `v${i}`.padEnd(bytes, '.') }))

/** Takes until there is something, or an error. */
async function firstTake(log: LogSource, until: ReadonlyMap<string, bigint>) {
  const limits = {
    maxRecords: 100,
    maxWaitMs: 60_000,
    includeEmptyRanges: true,
    order: 'fair',
    until,
  } as const
  return log.take(limits satisfies ReplayLimits, never)
}

describe('the log is read again', () => {
  test('as the job reads it, from several partitions at once, in stretches of any size and with room for one fetch', async () => {
    const topic = await createTopic('again_parts', { partitions: 5 })
    for (let i = 0; i < 10; i++) {
      const messages = numbered(100, i === 4 ? 3_000 : 20)
      await produce(
        topic,
        messages.map((message, n) => ({ ...message, partition: n % 5 })),
      )
    }
    const { source } = await openSource([topic])
    const until = await ends(source)
    const positions = await positionsAt(source, 7n)
    await source.seek(positions)
    const { records } = await takeUntil(source, until)
    const inOrder = (of: typeof records) =>
      [...of].sort((a, b) => a.partition - b.partition || a.offset - b.offset)
    const fetch = { maxBytesPerPartition: 4_096, maxBytes: 8_192 }
    for (const maxBufferedBytes of [1, 1_000_000]) {
      const log = await openSecondReader([topic], { fetch }, maxBufferedBytes)
      for (const maxRecords of [1_000, 13, 3]) {
        const again = await readAgain(log, positions, until, maxRecords)
        expect(inOrder(again.records)).toEqual(inOrder(records))
        for (const range of again.ranges) expect(range.records).toBeLessThanOrEqual(maxRecords)
      }
    }
  })

  test('a range ends where it is to end: inside of a batch, and before a transaction that is open', async () => {
    const topic = await createTopic('again_ends')
    await produce(topic, numbered(10))
    const producer = kafkaClient().producer({
      transactionalId: topic,
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: numbered(5) })
    const log = await openSecondReader([topic])
    const until = await ends(log)
    expect([...until.values()]).toEqual([10n])
    for (const end of [1n, 4n, 10n]) {
      const { records, ranges } = await readAgain(
        log,
        await positionsAt(log, 0n),
        new Map([...until.keys()].map((key) => [key, end])),
      )
      expect(records.map(({ offset }) => offset)).toEqual(Array.from({ length: Number(end) }, (_, i) => i))
      expect(ranges.at(-1)?.range.until).toBe(end)
    }
    await transaction.abort()
    await producer.disconnect()
    // The five that were aborted, and the marker.
    const aborted = await readAgain(log, await positionsAt(log, 12n), await ends(log))
    expect(aborted.records).toEqual([])
    expect(aborted.ranges.at(-1)?.range.until).toBe(16n)
  })
})

describe('what is not in the log any more', () => {
  test('is named before anything is read, and where it goes while the rest is read', async () => {
    const topic = await createTopic('again_gone')
    await produce(topic, numbered(30))
    const log = await openSecondReader([topic])
    const until = await ends(log)
    const positions = await positionsAt(log, 0n)
    const gone = {
      code: 'OFFSET_OUT_OF_RANGE',
      message: expect.stringContaining(`records [0, 10) of ${topic}/0 are no longer in the log`),
    }
    await log.seek(positions)
    await deleteRecordsBelow(topic, 10)
    await expect(firstTake(log, until)).rejects.toMatchObject(gone)
    await expect((await openSecondReader([topic])).seek(positions)).rejects.toMatchObject(gone)
  })

  test('is not taken from another topic of the same name', async () => {
    const topic = await createTopic('again_recreated')
    await produce(topic, numbered(10))
    const log = await openSecondReader([topic])
    const until = await ends(log)
    await log.seek(await positionsAt(log, 0n))
    const admin = await kafkaAdmin()
    await admin.deleteTopics({ topics: [topic] })
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
    await produce(topic, numbered(10))
    await expect(firstTake(log, until)).rejects.toMatchObject({ code: 'TOPIC_RECREATED' })
  })
})
