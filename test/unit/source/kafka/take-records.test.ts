import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { ReadPartition } from '../../../../src/source/kafka/read-partition.ts'
import { scanRecordBatches } from '../../../../src/source/kafka/record-batch.ts'
import { allocate, decodeFor, offersOf, takeShares } from '../../../../src/source/kafka/take-records.ts'
import type { TakeLimits } from '../../../../src/source/source.ts'
import { encodeBatch } from '../../../support/record-batches.ts'

function partitionWith(partition: number, records: number): ReadPartition {
  const read = new ReadPartition({ topic: 't', partition }, 'id', 0, -1, 1)
  const offsets = Array.from({ length: records }, (_, offset) => ({ offset, value: 'v' }))
  const batches = records === 0 ? [] : scanRecordBatches(encodeBatch({ records: offsets }), read)
  read.buffer.append(batches, batches)
  read.state = 'reading'
  return read
}

const recordOf = (offset: number, size: number) => ({ offset, value: 'v'.repeat(size) })

/** One record in each batch of the log. */
function partitionOf(partition: number, sizes: readonly number[]): ReadPartition {
  const read = new ReadPartition({ topic: 't', partition }, 'id', 0, -1, 1)
  const bytes = sizes.map((size, offset) => encodeBatch({ records: [recordOf(offset, size)] }))
  const batches = scanRecordBatches(Buffer.concat(bytes), read)
  read.buffer.append(batches, batches)
  read.state = 'reading'
  return read
}

const fair = (maxRecords: number): TakeLimits => ({
  maxRecords,
  maxWaitMs: 0,
  includeEmptyRanges: false,
  order: 'fair',
})

async function taken(
  partitions: readonly ReadPartition[],
  limits: TakeLimits,
  turn = 0,
): Promise<number[][]> {
  const shares = allocate(partitions, limits, turn)
  await decodeFor(shares, systemClock)
  return takeShares(shares, limits.includeEmptyRanges).map(({ range, records }) => [range.partition, records])
}

describe('fair order', () => {
  test('gives away as much as there is and may be, and nobody less than another who wanted no more', () => {
    const counts = fc.array(fc.nat(50), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 200 }), fc.nat(20), (available, maxRecords, turn) => {
        const partitions = available.map((count, partition) => partitionWith(partition, count))
        const shares = allocate(partitions, fair(maxRecords), turn)
        const given = available.map((_, i) => shares.find((s) => s.partition === partitions[i])?.records ?? 0)
        const total = available.reduce((a, b) => a + b, 0)
        expect(given.reduce((a, b) => a + b, 0)).toBe(Math.min(total, maxRecords))
        const most = Math.max(...given)
        for (const [i, count] of available.entries()) {
          const got = given[i] ?? 0
          expect(got).toBeLessThanOrEqual(count)
          if (got < count) expect(got).toBeGreaterThanOrEqual(most - 1)
        }
      }),
    )
  })

  test('gives no partition more than each may have, and what is left to the others', async () => {
    const partitions = [50, 3, 20].map((records, partition) => partitionWith(partition, records))
    const capped = { ...fair(30), maxRecordsPerPartition: 10 }
    expect(offersOf(partitions, capped).map(({ records }) => records)).toEqual([10, 3, 10])
    expect(await taken(partitions, capped)).toEqual([
      [0, 10],
      [1, 3],
      [2, 10],
    ])
  })

  test('has no more bytes than it may, in equal parts, and a record that has more comes alone', async () => {
    const [large, small] = [partitionOf(0, [5_000, 10]), partitionOf(1, [10, 10, 10, 10])]
    const sizes = (size: number) => scanRecordBatches(encodeBatch({ records: [recordOf(0, size)] }), small)
    const each = sizes(10)[0]?.size ?? 0
    const limits = { ...fair(100), maxBytes: 2 * each }
    const [offer] = offersOf([large], limits)
    expect(offer).toEqual({
      topic: 't',
      partition: 0,
      records: 2,
      bytes: (sizes(5_000)[0]?.size ?? 0) + each,
      firstBytes: sizes(5_000)[0]?.size,
    })
    expect(await taken([large, small], limits)).toEqual([[0, 1]])
    expect(await taken([large, small], limits)).toEqual([
      [0, 1],
      [1, 1],
    ])
    expect(await taken([large, small], { ...limits, maxBytes: 3 * each - 1 })).toEqual([[1, 2]])
    expect(await taken([large, small], limits)).toEqual([[1, 1]])
  })

  test('where there is less to give than partitions, they take turns', async () => {
    const served = new Set<number>()
    for (let turn = 0; turn < 5; turn++) {
      const partitions = [0, 1, 2, 3, 4].map((partition) => partitionWith(partition, 3 + partition))
      for (const [partition = -1] of await taken(partitions, fair(1), turn)) served.add(partition)
    }
    expect([...served].sort()).toEqual([0, 1, 2, 3, 4])
  })

  test('ranges come in partition order', async () => {
    const partitions = [2, 0, 1].map((partition) => partitionWith(partition, 2))
    expect(await taken(partitions, fair(100))).toEqual([
      [0, 2],
      [1, 2],
      [2, 2],
    ])
  })
})

describe('sequential order', () => {
  const limits: TakeLimits = { ...fair(7), order: 'sequential' }

  test('drains one partition before it touches the next', async () => {
    const partitions = [0, 1, 2].map((partition) => partitionWith(partition, 5))
    expect(await taken(partitions, limits)).toEqual([
      [0, 5],
      [1, 2],
    ])
    expect(await taken(partitions, limits)).toEqual([
      [1, 3],
      [2, 4],
    ])
  })

  test('stops where the bytes end, in the middle of a partition', async () => {
    const partitions = [partitionOf(0, [10, 5_000, 10]), partitionOf(1, [10])]
    const narrow = { ...limits, maxBytes: 200 }
    const batches: number[][][] = []
    for (let i = 0; i < 3; i++) batches.push(await taken(partitions, narrow))
    expect(batches).toEqual([
      [[0, 1]],
      [[0, 1]],
      [
        [0, 1],
        [1, 1],
      ],
    ])
  })

  test('waits for the rest of a partition below its bound instead of going on to the next', async () => {
    const partitions = [partitionWith(0, 5), partitionWith(1, 5)]
    const until = new Map([
      ['t/0', 8n],
      ['t/1', 3n],
    ])
    expect(await taken(partitions, { ...limits, maxRecords: 100, until })).toEqual([[0, 5]])
    expect(await taken(partitions, { ...limits, maxRecords: 100, until })).toEqual([])
    const rest = [5, 6, 7, 8].map((offset) => ({ offset, value: 'v' }))
    const batches = scanRecordBatches(encodeBatch({ records: rest }), { topic: 't', partition: 0 })
    partitions[0]?.buffer.append(batches, batches)
    expect(await taken(partitions, { ...limits, maxRecords: 100, until })).toEqual([
      [0, 3],
      [1, 3],
    ])
  })
})

describe('what is no longer to be had', () => {
  test('a partition that was dropped while its records were decoded is left out', async () => {
    const partitions = [partitionWith(0, 2), partitionWith(1, 2)]
    const shares = allocate(partitions, fair(10), 0)
    await decodeFor(shares, systemClock)
    const [first] = partitions
    if (first !== undefined) first.state = 'dropped'
    expect(takeShares(shares, false).map(({ range }) => range.partition)).toEqual([1])
  })
})
