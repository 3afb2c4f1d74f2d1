import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { shareBatch, type Taker } from '../../../src/source/share-fairly.ts'

/** Takes records of these sizes. */
function taker(sizes: readonly number[]): Taker {
  const bytesOf = (records: number) => sizes.slice(0, records).reduce((a, b) => a + b, 0)
  const recordsWithin = (bytes: number) => {
    let records = 0
    while (records < sizes.length && bytesOf(records + 1) <= bytes) records += 1
    return records
  }
  return { available: sizes.length, bytesOf, recordsWithin }
}

const bytesOf = (takers: readonly Taker[], records: readonly number[]) =>
  takers.reduce((sum, { bytesOf: of }, i) => sum + of(records[i] ?? 0), 0)
const recordsOf = (takers: readonly Taker[], size: { maxRecords: number; maxBytes?: number }, turn = 0) =>
  shareBatch(takers, size, turn).map(({ records }) => records)

describe('sharing a batch out', () => {
  test('has no more records and bytes than there may be, and something as long as there is something', () => {
    const logs = fc.array(fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 12 }), { maxLength: 6 })
    const limit = fc.integer({ min: 1, max: 1_000 })
    fc.assert(
      fc.property(
        logs,
        fc.integer({ min: 1, max: 50 }),
        limit,
        fc.nat(20),
        (sizes, maxRecords, maxBytes, turn) => {
          const takers = sizes.map(taker)
          const portions = shareBatch(takers, { maxRecords, maxBytes }, turn)
          const records = portions.map((portion) => portion.records)
          const total = records.reduce((a, b) => a + b, 0)
          expect(total).toBeLessThanOrEqual(maxRecords)
          expect(total > 0).toBe(sizes.some(({ length }) => length > 0))
          if (total > 1) expect(bytesOf(takers, records)).toBeLessThanOrEqual(maxBytes)
          for (const [i, portion] of portions.entries()) {
            expect(portion.records).toBeLessThanOrEqual(sizes[i]?.length ?? 0)
            if (portion.records > 0)
              expect(portion.bytes).toBeGreaterThanOrEqual(bytesOf([takers[i] as Taker], [portion.records]))
          }
        },
      ),
    )
  })

  test('a record of more bytes than there may be stands alone', () => {
    const takers = [taker([5_000, 10]), taker([10, 10])]
    const size = { maxRecords: 100, maxBytes: 100 }
    expect(recordsOf(takers, size, 0)).toEqual([1, 0])
    expect(recordsOf(takers, size, 1)).toEqual([0, 2])
  })

  test('whoever has large records gets its turn, however many small ones the others have', () => {
    const takers = [
      taker(Array<number>(1_000).fill(10)),
      taker([900, 900]),
      taker(Array<number>(1_000).fill(10)),
    ]
    const got = [0, 1, 2].map((turn) => recordsOf(takers, { maxRecords: 10_000, maxBytes: 1_000 }, turn))
    expect(got.map((records) => records[1])).toContain(1)
    // The rest of that batch is not wasted.
    expect(got.find((records) => records[1] === 1)).toEqual([5, 1, 5])
  })

  test('bytes that one does not need go to the others', () => {
    const takers = [taker([10, 10]), taker(Array<number>(100).fill(10))]
    expect(recordsOf(takers, { maxRecords: 1_000, maxBytes: 500 })).toEqual([2, 48])
    expect(recordsOf(takers, { maxRecords: 1_000 })).toEqual([2, 100])
  })
})
