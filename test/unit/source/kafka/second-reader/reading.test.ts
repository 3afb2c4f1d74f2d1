import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Reading } from '../../../../../src/source/kafka/second-reader/reading.ts'
import { recordHeaderList } from '../../../../../src/source/record-fields.ts'
import type { FetchedRange } from '../../../../../src/source/source.ts'
import { recordsOf } from '../../../../support/kafka-reading.ts'
import { encodeBatch, withChecksum } from '../../../../support/record-batches.ts'
import { abortedWithin, step, writeLog } from '../../../../support/transaction-log.ts'

const where = { topic: 't', partition: 0 }
const far = Number.MAX_SAFE_INTEGER

function readingAt(offset: number): Reading {
  return new Reading({ ...where, topicId: 'id', nextOffset: BigInt(offset), leaderEpoch: -1 })
}

/** A reading that was fed these batches. */
function fed(batches: readonly Buffer[], offset = 0): Reading {
  const reading = readingAt(offset)
  reading.feed({ ...where, errorCode: 0, aborted: [], batches: Buffer.concat(batches) })
  return reading
}

function offsetsOf(ranges: readonly FetchedRange[]): number[] {
  return recordsOf(ranges).map(({ offset }) => offset)
}

describe('what is taken', () => {
  test('is every committed record of the range and no other, wherever it begins and ends, however it is fetched and cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
        fc.nat(100),
        fc.nat(100),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 5 }),
        async (steps, place, length, batchesPerFetch, maxRecords) => {
          const { log, transactions } = writeLog(steps)
          const end = log.at(-1)?.nextOffset ?? 0
          const from = Math.min(place, end)
          const until = Math.min(from + length, end)
          const reading = readingAt(from)
          const ranges: FetchedRange[] = []
          while (reading.position < until) {
            if (reading.isHungry) {
              const begin = log.findIndex(({ nextOffset }) => nextOffset > reading.position)
              const response = log.slice(begin, begin + batchesPerFetch)
              const aborted = abortedWithin(transactions, reading.position, response.at(-1)?.nextOffset ?? 0)
              reading.feed({
                ...where,
                errorCode: 0,
                // In no useful order, as brokers send them.
                aborted: aborted.reverse().map(({ producerId, firstOffset }) => ({
                  producerId: String(producerId),
                  firstOffset: Number(firstOffset),
                })),
                batches: Buffer.concat(response.map(({ bytes }) => bytes)),
              })
            }
            const range = await reading.take(maxRecords, until)
            if (range === null) continue
            expect(range.records).toBeLessThanOrEqual(maxRecords)
            expect(range.range.from).toBe(ranges.at(-1)?.range.until ?? BigInt(from))
            ranges.push(range)
          }
          const visible = log
            .filter(({ of }) => of === null || (of !== 'marker' && !of.aborted))
            .flatMap(({ baseOffset, nextOffset }) =>
              Array.from({ length: nextOffset - baseOffset }, (_, i) => baseOffset + i),
            )
          expect(offsetsOf(ranges)).toEqual(visible.filter((offset) => from <= offset && offset < until))
          expect(ranges.reduce((sum, { records }) => sum + records, 0)).toBe(offsetsOf(ranges).length)
          if (until > from) expect(ranges.at(-1)?.range.until).toBe(BigInt(until))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('has every field as it was written', async () => {
    const records = [
      { offset: 7, timestampMs: 1_700_000_000_000, key: 'k', value: 'v' },
      { offset: 9, timestampMs: 1_700_000_000_005, key: null, value: null },
      { offset: 10, timestampMs: 1_699_999_999_000, key: '', value: '' },
    ]
    const headers = [
      [['b', '1'] as const, ['a', null] as const, ['b', '2'] as const, ['__proto__', ''] as const],
      [['1', 'x'] as const, ['constructor', 'y'] as const],
      [],
    ]
    const batch = { records: records.map((record, i) => ({ ...record, headers: headers[i] ?? [] })) }
    const gzipped = { ...batch, codec: 1, compress: gzipSync }
    for (const bytes of [encodeBatch(batch), encodeBatch(gzipped)]) {
      const range = await fed([bytes], 7).take(10, far)
      if (range === null) throw new Error('nothing was taken')
      expect(recordsOf([range])).toMatchObject(records)
      const found = range.slices.flatMap(({ segment, begin, end }) =>
        Array.from({ length: end - begin }, (_, i) => recordHeaderList(segment, begin + i)),
      )
      expect(found.map((list) => list.map(([name, value]) => [name, value?.toString() ?? null]))).toEqual(
        headers,
      )
    }
  })

  test('has the time of the log where the broker sets it', async () => {
    const batch = encodeBatch({
      records: [
        { offset: 0, timestampMs: 1 },
        { offset: 1, timestampMs: 2 },
      ],
      appendedAtMs: 99,
    })
    const range = await fed([batch]).take(10, far)
    expect(recordsOf(range ? [range] : []).map(({ timestampMs }) => timestampMs)).toEqual([99, 99])
  })

  test('goes past what compaction has left: batches without records, and offsets that are missing', async () => {
    const batches = [
      encodeBatch({ baseOffset: 0, lastOffset: 4, records: [{ offset: 1, value: 'a' }] }),
      encodeBatch({ baseOffset: 5, lastOffset: 8, records: [] }),
      encodeBatch({ baseOffset: 12, lastOffset: 14, records: [{ offset: 12, value: 'b' }] }),
    ]
    const range = await fed(batches).take(10, far)
    expect(range).toMatchObject({ range: { from: 0n, until: 15n }, records: 2 })
    expect(offsetsOf(range ? [range] : [])).toEqual([1, 12])
    expect(await fed(batches.slice(1, 2), 5).take(10, far)).toMatchObject({
      range: { from: 5n, until: 9n },
      records: 0,
    })
  })

  test('comes from a batch of as many records as there may be in one', async () => {
    const count = 200_000
    const batch = encodeBatch({ records: Array.from({ length: count }, (_, offset) => ({ offset })) })
    expect(await fed([batch]).take(count, far)).toMatchObject({
      range: { until: BigInt(count) },
      records: count,
    })
  })

  test('leaves a batch whose end is missing to the next fetch', async () => {
    const [first, second] = [0, 1].map((offset) => encodeBatch({ records: [{ offset, value: 'v' }] }))
    if (!first || !second) throw new Error('two batches')
    for (const cut of [1, 20, second.length - 1]) {
      const reading = fed([first, second.subarray(0, cut)])
      expect(await reading.take(10, far)).toMatchObject({ range: { until: 1n }, records: 1 })
      expect(reading.isHungry).toBe(true)
    }
  })

  test('a marker that compaction has removed from its batch ends nothing', async () => {
    const transaction = { producerId: 5n, transactional: true }
    const empty = encodeBatch({ ...transaction, baseOffset: 1, lastOffset: 1, records: [] })
    empty.writeInt16BE(48, 21)
    const reading = readingAt(0)
    const batches = Buffer.concat([
      encodeBatch({ ...transaction, records: [{ offset: 0 }] }),
      withChecksum(empty),
      encodeBatch({ ...transaction, records: [{ offset: 2 }] }),
    ])
    reading.feed({ ...where, errorCode: 0, aborted: [{ producerId: '5', firstOffset: 0 }], batches })
    expect(await reading.take(10, far)).toMatchObject({ range: { until: 3n }, records: 0 })
  })
})

describe('what is no record batch is refused by its offset', () => {
  const changed = (change: (batch: Buffer) => void, isSound = false) => {
    const batch = encodeBatch({
      records: [
        { offset: 3, value: 'a value' },
        { offset: 4, value: 'another' },
      ],
    })
    change(batch)
    return isSound ? withChecksum(batch) : batch
  }
  test.each<[string, Buffer, RegExp]>([
    ['a byte that was changed', changed((batch) => batch.writeInt8(1, batch.length - 1)), /checksum/],
    ['an old format', changed((batch) => batch.writeInt8(1, 16)), /format 1/],
    ['a length that is none', changed((batch) => batch.writeInt32BE(3, 8)), /length 15/],
    [
      'more records than bytes',
      changed((batch) => batch.writeInt32BE(1_000_000, 57), true),
      /1000000 records/,
    ],
    ['a record more than there is', changed((batch) => batch.writeInt32BE(3, 57), true), /record 2/],
    [
      'an offset past the last one',
      changed((batch) => batch.writeInt32BE(0, 23), true),
      /offset 4 of its record 1/,
    ],
    ['bytes that are not compressed', changed((batch) => batch.writeInt16BE(1, 21), true), /decompressed/],
    ['a codec that there is not', changed((batch) => batch.writeInt16BE(7, 21), true), /codec 7/],
  ])('%s', async (_, batch, words) => {
    await expect(fed([batch], 3).take(10, far)).rejects.toMatchObject({
      code: 'RECORD_BATCH_CORRUPT',
      message: expect.stringMatching(words),
      partition: where,
      record: { offset: 3n },
    })
  })
})
