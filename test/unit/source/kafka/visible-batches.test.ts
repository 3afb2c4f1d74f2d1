import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { scanRecordBatches } from '../../../../src/source/kafka/record-batch.ts'
import { committedBatches, dataBatches } from '../../../../src/source/kafka/visible-batches.ts'
import { encodeBatch } from '../../../support/record-batches.ts'

const where = { topic: 't', partition: 0 }

/** What producers do, one after another; a step of a producer without an open transaction begins one. */
type Step =
  | { readonly producer: number; readonly act: 'send'; readonly records: number }
  | { readonly producer: number; readonly act: 'commit' | 'abort' }
  | { readonly producer: null }

interface Transaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
  endOffset: number
  aborted: boolean
}

interface LoggedBatch {
  readonly bytes: Buffer
  readonly baseOffset: number
  readonly nextOffset: number
  /** `null`: not transactional; `'marker'`: a control batch. */
  readonly of: Transaction | 'marker' | null
}

/** A log as a broker would keep it. Transactions that stay open end it: a reader sees nothing past them. */
function writeLog(steps: readonly Step[]): { log: LoggedBatch[]; transactions: Transaction[] } {
  const open = new Map<number, Transaction>()
  const log: LoggedBatch[] = []
  const transactions: Transaction[] = []
  let offset = 0
  const append = (bytes: Buffer, count: number, of: LoggedBatch['of']) => {
    log.push({ bytes, baseOffset: offset, nextOffset: offset + count, of })
    offset += count
  }
  const records = (count: number) =>
    // A key of four zero bytes looks like an abort marker to a careless reader.
    Array.from({ length: count }, (_, i) => ({ offset: offset + i, key: '\0\0\0\0', value: 'v' }))
  const end = (producer: number, aborted: boolean) => {
    const transaction = open.get(producer)
    if (transaction === undefined) return
    open.delete(producer)
    transaction.endOffset = offset
    transaction.aborted = aborted
    const marker = aborted ? 'abort' : 'commit'
    append(
      encodeBatch({ baseOffset: offset, records: [], marker, producerId: transaction.producerId }),
      1,
      'marker',
    )
  }
  for (const step of steps) {
    if (step.producer === null) append(encodeBatch({ records: records(1) }), 1, null)
    else if (step.act === 'send') {
      const producerId = BigInt(step.producer)
      const transaction = open.get(step.producer) ?? {
        producerId,
        firstOffset: BigInt(offset),
        endOffset: Number.POSITIVE_INFINITY,
        aborted: false,
      }
      if (!open.has(step.producer)) transactions.push(transaction)
      open.set(step.producer, transaction)
      const batch = encodeBatch({ records: records(step.records), producerId, transactional: true })
      append(batch, step.records, transaction)
    } else end(step.producer, step.act === 'abort')
  }
  for (const producer of open.keys()) end(producer, true)
  return { log, transactions }
}

/** Few producers, so that a response often has the end of one transaction of a producer and the next one of it. */
const producer = fc.nat(1)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      producer,
      act: fc.constant('send' as const),
      records: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ producer, act: fc.constantFrom('commit' as const, 'abort' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ producer: fc.constant(null) }) },
)

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
          const aborted = transactions
            .filter((t) => t.aborted && t.endOffset >= from && t.firstOffset < BigInt(until))
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
