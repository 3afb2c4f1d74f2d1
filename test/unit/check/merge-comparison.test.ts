import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalFor } from '../../../src/check/compare-values.ts'
import type { ComparedColumn } from '../../../src/check/compared-column.ts'
import { MergeComparison } from '../../../src/check/merge-comparison.ts'
import type { TableReport } from '../../../src/check/table-report.ts'
import { columnHolds } from '../../../src/database/postgres/column-class.ts'

function column(name: string, type: string, role: ComparedColumn['role'] = 'other'): ComparedColumn {
  return { name, role, canonical: canonicalFor(columnHolds(type, type.startsWith('numeric') ? 2 : null)) }
}

const keys = [column('item', 'text'), column('minute', 'timestamp with time zone')]
const values = [column('orders', 'bigint', 'count'), column('revenue', 'numeric(14,2)', 'sum')]

type Row = [item: string, minute: string, orders: string | null, revenue: string | null]

const minute = new Date('2025-11-23T01:02:00Z')
const minuteText = '2025-11-23 01:02:00+00'

/** What the log says: two keys of one minute. */
function compare(rows: readonly Row[]): TableReport {
  const comparison = new MergeComparison({ table: 'orders_by_item', keys, values })
  comparison.expect(['a', minute], [3, '30.30'])
  comparison.expect(['b', minute], [5, '1.00'])
  for (const row of rows) comparison.actual(row)
  return comparison.finish()
}

const right: Row[] = [
  ['b', minuteText, '5', '1.00'],
  ['a', '2025-11-23 02:02:00+01', '3', '30.3'],
]

test('a table that says what the log says has no difference, and its totals agree', () => {
  const report = compare(right)
  expect(report.differences.total).toBe(0)
  expect(report).toMatchObject({ lost: 0n, duplicated: 0n, rowsExpected: 2, rowsActual: 2 })
  expect(report.totals).toEqual([
    { column: 'orders', expected: '8', actual: '8' },
    { column: 'revenue', expected: '31.3', actual: '31.3' },
  ])
})

describe('negative controls', () => {
  test.each<[string, Row[], string[], bigint, bigint]>([
    ['a lost record', [['b', minuteText, '4', '0.80'], right[1] as Row], ['row-different'], 1n, 0n],
    ['a record twice', [['b', minuteText, '6', '1.20'], right[1] as Row], ['row-different'], 0n, 1n],
    [
      'errors that compensate each other over two keys',
      [
        ['a', minuteText, '4', '30.30'],
        ['b', minuteText, '4', '1.00'],
      ],
      ['row-different', 'row-different'],
      1n,
      1n,
    ],
    [
      'a wrong sum with the right count',
      [['b', minuteText, '5', '1.01'], right[1] as Row],
      ['row-different'],
      0n,
      0n,
    ],
    ['a missing row', [right[1] as Row], ['row-missing'], 5n, 0n],
    ['an empty table', [], ['row-missing', 'row-missing'], 8n, 0n],
    [
      'a row of a key that should not exist',
      [...right, ['c', minuteText, '2', '9.00']],
      ['row-unexpected'],
      0n,
      2n,
    ],
    [
      'a key in the wrong minute',
      [['b', '2025-11-23 01:03:00+00', '5', '1.00'], right[1] as Row],
      ['row-unexpected', 'row-missing'],
      5n,
      5n,
    ],
    ['two rows of one key', [...right, right[0] as Row], ['row-repeated'], 0n, 5n],
    ['NULL in place of a sum', [['b', minuteText, '5', null], right[1] as Row], ['row-different'], 0n, 0n],
  ])('%s is found', (_name, rows, classes, lost, duplicated) => {
    const report = compare(rows)
    expect(report.differences.first.map((difference) => difference.class)).toEqual(classes)
    expect(report).toMatchObject({ lost, duplicated })
  })

  test('a difference names its key with expected and actual', () => {
    const [difference] = compare([['b', minuteText, '4', '0.80'], right[1] as Row]).differences.first
    expect(difference).toEqual({
      class: 'row-different',
      key: { item: 'b', minute: '2025-11-23T01:02:00Z' },
      expected: { orders: '5', revenue: '1' },
      actual: { orders: '4', revenue: '0.8' },
    })
  })
})

test('sums of doubles may differ in their last bits, and no further', () => {
  const doubles = [{ ...column('total', 'double precision', 'sum'), tolerance: 1e-9 }]
  const differences = (actual: string) => {
    const comparison = new MergeComparison({ table: 't', keys: [column('k', 'text')], values: doubles })
    comparison.expect(['a'], [0.1 + 0.2])
    comparison.actual(['a', actual])
    return comparison.finish().differences.total
  }
  expect(differences('0.3')).toBe(0)
  expect(differences('0.300001')).toBe(1)
  expect(differences('NaN')).toBe(1)
  expect(differences('Infinity')).toBe(1)
})

test('without a column that counts, lost and duplicated are unknown and not zero', () => {
  const comparison = new MergeComparison({
    table: 't',
    keys: [column('k', 'text')],
    values: [column('s', 'bigint', 'sum')],
  })
  comparison.expect(['a'], [1])
  expect(comparison.finish()).toMatchObject({ lost: null, duplicated: null })
})

test('a column of an unknown type is left out and named', () => {
  const odd = column('tags', 'text[]')
  const comparison = new MergeComparison({ table: 't', keys: [column('k', 'text')], values: [odd] })
  comparison.expect(['a'], ['x'])
  comparison.actual(['a', '{y}'])
  const report = comparison.finish()
  expect(report.differences.total).toBe(0)
  expect(report.notCompared).toEqual(['tags'])
})

test('whatever happens to the counts, lost and duplicated are the sums per key', () => {
  const counts = fc.array(fc.record({ expected: fc.nat(9), actual: fc.nat(9) }), { maxLength: 20 })
  fc.assert(
    fc.property(counts, (rows) => {
      const comparison = new MergeComparison({
        table: 't',
        keys: [column('k', 'text')],
        values: [column('n', 'bigint', 'count')],
      })
      let [lost, duplicated] = [0, 0]
      for (const [i, { expected, actual }] of rows.entries()) {
        if (expected > 0) comparison.expect([`k${i}`], [expected])
        if (actual > 0) comparison.actual([`k${i}`, String(actual)])
        lost += Math.max(0, expected - actual)
        duplicated += Math.max(0, actual - expected)
      }
      const report = comparison.finish()
      expect(report).toMatchObject({ lost: BigInt(lost), duplicated: BigInt(duplicated) })
      expect(report.differences.total === 0).toBe(lost + duplicated === 0)
    }),
  )
})
