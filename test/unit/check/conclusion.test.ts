import { describe, expect, test } from 'vitest'
import { checkChain } from '../../../src/check/chain.ts'
import { concludeReport, type VerifyFindings } from '../../../src/check/conclusion.ts'
import { formatReport, reportAsJson } from '../../../src/check/report.ts'
import type { RowDifference, TableReport } from '../../../src/check/table-report.ts'
import { BoundedList, type Violation } from '../../../src/check/violation.ts'
import { ledgerRow, positionRow, startRow } from './histories.ts'

function bounded<T>(...items: T[]): BoundedList<T> {
  const list = new BoundedList<T>()
  for (const item of items) list.add(item)
  return list
}

const table: TableReport = {
  table: 'orders_by_item',
  sink: 'merge',
  rowsExpected: 2,
  rowsActual: 2,
  differences: bounded<RowDifference>(),
  lost: 0n,
  duplicated: 0n,
  totals: [{ column: 'orders', expected: '10', actual: '10' }],
  notCompared: [],
}

const difference: RowDifference = {
  class: 'row-different',
  key: { item: 'a' },
  expected: { orders: '5' },
  actual: { orders: '4' },
}

const goodChain = checkChain(
  [startRow(0n), ledgerRow({ fromOffset: 0n, untilOffset: 10n })],
  [positionRow({ nextOffset: 10n, seq: 1n })],
)

function conclude(findings: Partial<VerifyFindings>) {
  return concludeReport({
    job: 'orders-by-item',
    chain: goodChain,
    deadLetters: { total: 0, violations: bounded<Violation>(), notes: bounded<string>() },
    controlTotals: {
      violations: bounded<Violation>(),
      shrunk: bounded<string>(),
      batches: 1,
      digests: 0,
      notRead: 0,
    },
    tables: [table],
    inconclusive: [],
    recordsReplayed: 10,
    replayedAll: true,
    chainOnly: false,
    durationMs: 5,
    ...findings,
  })
}

describe('the outcome', () => {
  test('is ok, exit 0, only when everything was checked and holds', () => {
    expect(conclude({})).toMatchObject({ outcome: 'ok', exitCode: 0, lost: 0n, duplicated: 0n })
  })

  test('is a violation, exit 4, when a row differs', () => {
    const report = conclude({ tables: [{ ...table, differences: bounded(difference), lost: 1n }] })
    expect(report).toMatchObject({ outcome: 'violation', exitCode: 4, lost: 1n })
  })

  test('is a violation when only the chain is broken', () => {
    const chain = checkChain([startRow(0n)], [positionRow({ nextOffset: 10n })])
    expect(conclude({ chain }).outcome).toBe('violation')
  })

  test('is a violation when only a batch total is wrong', () => {
    const violations = bounded<Violation>({ class: 'record-count', message: 'm' })
    expect(
      conclude({ controlTotals: { violations, shrunk: bounded(), batches: 1, digests: 0, notRead: 0 } })
        .outcome,
    ).toBe('violation')
  })

  test('is inconclusive, exit 5, when the job committed nothing: no work proves nothing', () => {
    const chain = checkChain([startRow(0n)], [positionRow({ nextOffset: 0n })])
    expect(conclude({ chain })).toMatchObject({ outcome: 'inconclusive', exitCode: 5 })
    expect(conclude({ chain: checkChain([], []) }).outcome).toBe('inconclusive')
  })

  test('is inconclusive when something could not be recomputed', () => {
    expect(conclude({ inconclusive: ['retention'] }).outcome).toBe('inconclusive')
    expect(conclude({ tables: [{ ...table, notCompared: ['tags'] }] }).outcome).toBe('inconclusive')
  })

  test('a violation outweighs what could not be checked', () => {
    const tables = [{ ...table, differences: bounded(difference) }]
    expect(conclude({ inconclusive: ['retention'], tables }).outcome).toBe('violation')
  })

  test('in a log that has shrunk since, rows too many prove nothing and records too few still do', () => {
    const controlTotals = {
      violations: bounded<Violation>(),
      shrunk: bounded('batch b'),
      batches: 1,
      digests: 0,
      notRead: 0,
    }
    const more = { ...table, differences: bounded(difference), duplicated: 3n }
    expect(conclude({ controlTotals, tables: [more] }).outcome).toBe('inconclusive')
    expect(conclude({ controlTotals, tables: [{ ...more, lost: 1n }] }).outcome).toBe('violation')
  })

  test('says unknown, not zero, where no table counts records', () => {
    expect(conclude({ tables: [{ ...table, lost: null, duplicated: null }] })).toMatchObject({ lost: null })
    expect(conclude({ tables: [] })).toMatchObject({ lost: null, duplicated: null })
  })
})

describe('the report', () => {
  test('for people names what differs', () => {
    const text = formatReport(
      conclude({ tables: [{ ...table, differences: bounded(difference), lost: 1n }] }),
    )
    expect(text).toContain('verify orders-by-item: VIOLATION')
    expect(text).toContain('row-different: orders_by_item item=a: expected orders=5, found orders=4')
    expect(text).toMatch(/lost +1\n/)
  })

  test('for machines survives JSON', () => {
    const object = reportAsJson(conclude({ tables: [{ ...table, differences: bounded(difference) }] }))
    expect(JSON.parse(JSON.stringify(object))).toMatchObject({
      outcome: 'violation',
      exitCode: 4,
      lost: 0,
      chain: { unbroken: true, batches: 1, partitions: [{ nextOffset: '10' }] },
      tables: [{ differences: { total: 1, first: [{ key: { item: 'a' } }] } }],
    })
  })
})
