import { describe, expect, test } from 'vitest'
import { checkChain } from '../../../src/check/chain.ts'
import { planReplay } from '../../../src/check/replay-ranges.ts'
import type { LedgerRow, PositionRow } from '../../../src/database/dialect.ts'
import { formatRange } from '../../../src/model/offset-range.ts'
import { actRow, ledgerRow, positionRow, startRow } from './histories.ts'

function plan(ledger: LedgerRow[], positions: PositionRow[], bounds = { low: 0n, high: 1000n }) {
  const watermarks = [{ topic: 'orders', partition: 0, lastStable: bounds.high, ...bounds }]
  const { ranges, obstacles } = planReplay(checkChain(ledger, positions).partitions, watermarks)
  return { ranges: ranges.map(formatRange), obstacles }
}

const act = { incarnation: 1, epoch: 2n, claimId: null, batchId: null, records: 0 } as const

describe('what is read again', () => {
  test('goes from the recorded start to the position, whatever the batches say', () => {
    const broken = [startRow(5n), ledgerRow({ fromOffset: 7n, untilOffset: 9n, records: 1 })]
    expect(plan(broken, [positionRow({ nextOffset: 30n })]).ranges).toEqual(['orders/0 [5, 30)'])
  })

  test('is nothing while nothing was committed', () => {
    expect(plan([startRow(5n)], [positionRow({ nextOffset: 5n })])).toEqual({ ranges: [], obstacles: [] })
  })

  test('leaves out what the operator has skipped', () => {
    const ledger = [
      startRow(0n),
      ledgerRow({ fromOffset: 0n, untilOffset: 10n }),
      actRow({ fromOffset: 10n, untilOffset: 50n }),
    ]
    const position = positionRow({ nextOffset: 60n, incarnation: 1 })
    expect(plan(ledger, [position]).ranges).toEqual(['orders/0 [0, 10)', 'orders/0 [50, 60)'])
  })

  test('begins with the last rebuild, which has emptied the tables', () => {
    const ledger = [
      startRow(4n),
      ledgerRow({ fromOffset: 4n, untilOffset: 10n, records: 6 }),
      ledgerRow({ ...act, kind: 'rebuild', fromOffset: 10n, untilOffset: 2n }),
    ]
    expect(plan(ledger, [positionRow({ nextOffset: 10n, incarnation: 1 })]).ranges).toEqual([
      'orders/0 [2, 10)',
    ])
  })
})

describe('what cannot be read again is named', () => {
  test.each([
    [
      'recreated',
      0n,
      'what orders/0 held up to 15 is gone: its topic was created again, which ann@host has accepted',
    ],
    [
      'truncated',
      9n,
      'what orders/0 held in [9, 15) is gone: the log was truncated, which ann@host has accepted',
    ],
  ] as const)('when the log was %s after it had been read', (cause, untilOffset, obstacle) => {
    const moved = [...ledger, actRow({ cause, fromOffset: 15n, untilOffset })]
    expect(plan(moved, [positionRow({ nextOffset: 40n, incarnation: 1 })])).toEqual({
      ranges: [],
      obstacles: [obstacle],
    })
    // Nothing of the other log is in the table.
    const untouched = [startRow(15n), actRow({ cause, fromOffset: 15n, untilOffset })]
    expect(plan(untouched, [positionRow({ nextOffset: 40n, incarnation: 1 })]).ranges).toEqual([
      `orders/0 [${untilOffset}, 40)`,
    ])
  })

  const ledger = [startRow(5n), ledgerRow({ fromOffset: 5n, untilOffset: 15n })]
  const positions = [positionRow({ nextOffset: 15n })]

  test('when retention has passed the start', () => {
    const { ranges, obstacles } = plan(ledger, positions, { low: 8n, high: 1000n })
    expect(ranges).toEqual([])
    expect(obstacles).toEqual(['retention has deleted orders/0 [5, 8) from the log, which begins at 8'])
  })

  test('when the log ends before the position', () => {
    expect(plan(ledger, positions, { low: 0n, high: 12n }).obstacles[0]).toContain('it was truncated')
  })

  test('when the partition is not there', () => {
    const { obstacles } = planReplay(checkChain(ledger, positions).partitions, [])
    expect(obstacles[0]).toContain('orders/0 is not in the log')
  })
})
