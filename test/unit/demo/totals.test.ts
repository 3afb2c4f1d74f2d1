import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Order } from '../../../src/demo/orders.ts'
import { centsText, differenceText, ExpectedTotals, type TableRow } from '../../../src/demo/totals.ts'

const noon = Date.UTC(2026, 0, 1, 12)

function order(item: string, cents: number, atMs = noon): Order {
  return { item, user: 'u1', cents, atMs }
}

function expected(orders: readonly Order[]): ExpectedTotals {
  const totals = new ExpectedTotals()
  for (const each of orders) totals.add(each)
  return totals
}

/** Three orders of a and one of b in the first minute, one of a in the second. */
const produced = expected([
  order('a', 100),
  order('a', 250, noon + 59_999),
  order('b', 10),
  order('a', 1, noon + 60_000),
  order('a', 300, noon + 1),
])

const right: readonly TableRow[] = [
  { item: 'b', minute: '2026-01-01T12:00:00.000Z', orders: '1', cents: '10' },
  { item: 'a', minute: '2026-01-01T12:01:00.000Z', orders: '1', cents: '1' },
  { item: 'a', minute: '2026-01-01T12:00:00.000Z', orders: '3', cents: '650' },
]

/** The right table with some of one row replaced. */
function changed(index: number, change: Partial<TableRow>): TableRow[] {
  return right.map((row, i) => (i === index ? { ...row, ...change } : row))
}

test('a table that holds what was produced has nothing lost and nothing twice', () => {
  expect(produced.compare(right)).toEqual({
    lost: 0,
    duplicated: 0,
    expected: { rows: 3, orders: 5, revenue: '6.61' },
    actual: { rows: 3, orders: 5, revenue: '6.61' },
    differentRows: 0,
    differences: [],
  })
})

describe('negative controls: tampered tables', () => {
  test.each<[string, readonly TableRow[], number, number, number]>([
    ['a lost record', changed(2, { orders: '2', cents: '550' }), 1, 0, 1],
    ['a record twice', changed(2, { orders: '4', cents: '750' }), 0, 1, 1],
    [
      'one lost and one twice in two rows',
      [
        ...changed(2, { orders: '2', cents: '550' }).slice(1),
        ...changed(0, { orders: '2', cents: '20' }).slice(0, 1),
      ],
      1,
      1,
      2,
    ],
    ['a wrong sum with the right count', changed(2, { cents: '651' }), 0, 0, 1],
    ['a missing row', right.slice(1), 1, 0, 1],
    [
      'a row of a key that was never produced',
      [...right, { item: 'c', minute: '2026-01-01T12:00:00.000Z', orders: '2', cents: '5' }],
      0,
      2,
      1,
    ],
    ['a row in the wrong minute', changed(0, { minute: '2026-01-01T12:05:00.000Z' }), 1, 1, 2],
    ['the same row twice', [...right, ...right.slice(2)], 0, 3, 1],
    ['an empty table', [], 5, 0, 3],
  ])('%s', (_name, table, lost, duplicated, differentRows) => {
    const comparison = produced.compare(table)
    expect(comparison).toMatchObject({ lost, duplicated, differentRows })
    expect(comparison.differences).toHaveLength(differentRows)
  })

  test('name the row with expected and actual', () => {
    const [difference] = produced.compare(changed(2, { orders: '2', cents: '550' })).differences
    expect(difference && differenceText(difference)).toBe(
      'a 2026-01-01T12:00:00.000Z: expected 3 orders of 6.50, found 2 orders of 5.50',
    )
  })

  test('list the first 20 rows and count all', () => {
    const many = expected(Array.from({ length: 50 }, (_, i) => order(`item ${i}`, 1)))
    const comparison = many.compare([])
    expect(comparison).toMatchObject({ lost: 50, differentRows: 50 })
    expect(comparison.differences).toHaveLength(20)
  })
})

test('for any change of the counts lost and duplicated are the sums row by row', () => {
  const rows = fc.array(fc.record({ produced: fc.nat(5), found: fc.nat(5) }), { maxLength: 30 })
  fc.assert(
    fc.property(rows, (items) => {
      const totals = new ExpectedTotals()
      const table: TableRow[] = []
      let [lost, duplicated] = [0, 0]
      for (const [i, { produced: wanted, found }] of items.entries()) {
        for (let n = 0; n < wanted; n++) totals.add(order(`item ${i}`, 7))
        const row = { item: `item ${i}`, minute: '2026-01-01T12:00:00.000Z', orders: String(found) }
        if (found > 0) table.push({ ...row, cents: String(found * 7) })
        lost += Math.max(0, wanted - found)
        duplicated += Math.max(0, found - wanted)
      }
      expect(totals.compare(table)).toMatchObject({ lost, duplicated })
    }),
  )
})

test('cents are money with two digits', () => {
  expect([0n, 5n, 123n, -45n, 100_000n].map(centsText)).toEqual(['0.00', '0.05', '1.23', '-0.45', '1000.00'])
})
