import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { scanRecordBatches } from '../../../../src/source/kafka/record-batch.ts'
import { committedBatches, dataBatches } from '../../../../src/source/kafka/visible-batches.ts'
import { encodeBatch } from '../../../support/record-batches.ts'
import { abortedWithin, step, writeLog } from '../../../support/transaction-log.ts'

const where = { topic: 't', partition: 0 }

describe('committedBatches', () => {
  test('shows exactly the records of committed transactions, from every offset and for every response size', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
        fc.infiniteStream(fc.nat(1000)),
        fc.nat(60),
        fc.nat(2),
        fc.integer({ min: 1, max: 60 }),
        (steps, order, place, within, batchesPerResponse) => {
          const { log, transactions } = writeLog(steps)
          const begin = place % Math.max(1, log.length)
          const first = log[begin]
          if (!first) return
          const from = Math.min(first.baseOffset + within, first.nextOffset - 1)
          const response = log.slice(begin, begin + batchesPerResponse)
          const until = response.at(-1)?.nextOffset ?? from
          const aborted = abortedWithin(transactions, from, until)
            .map((transaction) => ({ transaction, rank: order.next().value }))
            .sort((a, b) => a.rank - b.rank)
            .map(({ transaction: { producerId, firstOffset } }) => ({ producerId, firstOffset }))
          const batches = scanRecordBatches(Buffer.concat(response.map((batch) => batch.bytes)), where)
          const visible = committedBatches(batches, aborted).map((batch) => batch.baseOffset)
          const expected = response
            .filter(({ of }) => of === null || (of !== 'marker' && !of.aborted))
            .map((batch) => batch.baseOffset)
          expect(visible).toEqual(expected)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('a producer that aborts and then commits shows only the second transaction', () => {
    const batches = scanRecordBatches(
      Buffer.concat([
        encodeBatch({ records: [{ offset: 0, value: 'a' }], producerId: 5n, transactional: true }),
        encodeBatch({ baseOffset: 1, records: [], marker: 'abort', producerId: 5n }),
        encodeBatch({ records: [{ offset: 2, value: 'b' }], producerId: 5n, transactional: true }),
        encodeBatch({ baseOffset: 3, records: [], marker: 'commit', producerId: 5n }),
      ]),
      where,
    )
    const visible = committedBatches(batches, [{ producerId: 5n, firstOffset: 0n }])
    expect(visible.map((batch) => batch.baseOffset)).toEqual([2])
  })

  test('a response that begins with the abort marker ends the transaction, and shows the next one of its producer', () => {
    const batches = scanRecordBatches(
      Buffer.concat([
        encodeBatch({ baseOffset: 1, records: [], marker: 'abort', producerId: 5n }),
        encodeBatch({ records: [{ offset: 2, value: 'b' }], producerId: 5n, transactional: true }),
        encodeBatch({ baseOffset: 3, records: [], marker: 'commit', producerId: 5n }),
      ]),
      where,
    )
    const visible = committedBatches(batches, [{ producerId: 5n, firstOffset: 0n }])
    expect(visible.map((batch) => batch.baseOffset)).toEqual([2])
  })

  test('a marker that compaction has removed from its batch ends nothing', () => {
    const empty = encodeBatch({
      baseOffset: 1,
      lastOffset: 1,
      records: [],
      producerId: 5n,
      transactional: true,
    })
    empty.writeInt16BE(48, 21)
    const batches = scanRecordBatches(
      Buffer.concat([
        encodeBatch({ records: [{ offset: 0, value: 'a' }], producerId: 5n, transactional: true }),
        empty,
        encodeBatch({ records: [{ offset: 2, value: 'b' }], producerId: 5n, transactional: true }),
      ]),
      where,
    )
    expect(committedBatches(batches, [{ producerId: 5n, firstOffset: 0n }])).toEqual([])
  })
})

describe('dataBatches', () => {
  test('shows aborted records too, and never markers', () => {
    const { log } = writeLog([
      { producer: 1, act: 'send', records: 2 },
      { producer: 1, act: 'abort' },
      { producer: null },
    ])
    const batches = scanRecordBatches(Buffer.concat(log.map((batch) => batch.bytes)), where)
    expect(dataBatches(batches).map((batch) => batch.baseOffset)).toEqual([0, 3])
  })
})
