import { describe, expect, test } from 'vitest'
import { ControlTotals } from '../../../src/check/control-totals.ts'
import type { LedgerRow } from '../../../src/database/dialect.ts'
import { segmentFromRecords } from '../../../src/source/record-segment.ts'
import type { FetchedRange } from '../../../src/source/source.ts'
import { ledgerRow } from './histories.ts'

function fetched(from: number, until: number, offsets: readonly number[]): FetchedRange {
  const segment = segmentFromRecords(
    'orders',
    0,
    offsets.map((offset) => ({ offset, value: 'x' })),
  )
  const range = { topic: 'orders', partition: 0, from: BigInt(from), until: BigInt(until) }
  const slices = [{ segment, begin: 0, end: offsets.length }]
  return { range, records: offsets.length, bytes: 1, slices, leaderEpoch: 0 }
}

function batch(from: number, until: number, records: number): LedgerRow {
  return ledgerRow({ fromOffset: BigInt(from), untilOffset: BigInt(until), records, batchId: `b${from}` })
}

const whole = { topic: 'orders', partition: 0, from: 0n, until: 20n, incarnation: 0 }

/** The log has 0..4, 6, 7 (5 is a marker) and 10..12; fetches do not end where batches do. */
function counts(ledger: readonly LedgerRow[]) {
  const controlTotals = new ControlTotals(ledger, [whole])
  controlTotals.add(fetched(0, 5, [0, 1, 2, 3, 4]), whole)
  controlTotals.add(fetched(5, 20, [6, 7, 10, 11, 12]), whole)
  return controlTotals.finish()
}

test('batches that committed what the log has pass, wherever the fetches were cut', () => {
  const report = counts([batch(0, 3, 3), batch(3, 8, 4), batch(8, 20, 3)])
  expect(report).toMatchObject({ batches: 3 })
  expect(report.violations.total + report.shrunk.total).toBe(0)
})

describe('negative controls', () => {
  test('a batch that has skipped a record inside its range is a violation', () => {
    const { violations } = counts([batch(0, 3, 3), batch(3, 8, 3), batch(8, 20, 3)])
    expect(violations.first).toMatchObject([{ class: 'record-count', batchId: 'b3' }])
    expect(violations.first[0]?.message).toContain(
      'committed 3 records of orders/0 [3, 8) in epoch 1, and the log has 4 there',
    )
  })

  test('a batch with more records than the log has left may have met compaction: that is said, not judged', () => {
    const { violations, shrunk } = counts([batch(0, 3, 3), batch(3, 8, 5), batch(8, 20, 3)])
    expect([violations.total, shrunk.total]).toEqual([0, 1])
  })

  test('one too few and one too many in two batches do not cancel', () => {
    const { violations, shrunk } = counts([batch(0, 3, 2), batch(3, 8, 5)])
    expect([violations.total, shrunk.total]).toEqual([1, 1])
  })
})

test('batches outside of what was read again are not counted', () => {
  expect(counts([batch(15, 25, 99)])).toMatchObject({ batches: 0 })
})

test('offsets that come again in another incarnation are of its batches, and ranges are those of their own chain', () => {
  const before = { ...whole, until: 10n }
  const after = { ...whole, from: 5n, until: 12n, incarnation: 1 }
  const elsewhere = { ...whole, partition: 1, from: 3n }
  const ledger = [
    batch(0, 10, 3),
    { ...batch(5, 12, 2), incarnation: 1 },
    { ...batch(0, 5, 99), partition: 1 },
  ]
  const totals = new ControlTotals(ledger, [before, after, elsewhere])
  totals.add(fetched(0, 10, [0, 5, 6]), before)
  totals.add(fetched(5, 12, [7, 11]), after)
  const { violations, shrunk, ...counted } = totals.finish()
  expect([violations.total, shrunk.total]).toEqual([0, 0])
  expect(counted).toEqual({ batches: 2, digests: 0, notRead: 1 })
})

test('a batch whose range was not read to its end is not judged', () => {
  const totals = new ControlTotals([batch(0, 3, 3), batch(3, 8, 4)], [whole])
  totals.add(fetched(0, 7, [0, 1, 2, 3]), whole)
  const { violations, ...counted } = totals.finish()
  expect(violations.total).toBe(0)
  expect(counted).toMatchObject({ batches: 1, notRead: 1 })
})

test('records between batches belong to none of them', () => {
  const { violations, shrunk } = counts([batch(0, 2, 2), batch(4, 8, 3)])
  expect(violations.total + shrunk.total).toBe(0)
})
