import { describe, expect, test } from 'vitest'
import { count } from '../../../src/aggregation/count.ts'
import { sum } from '../../../src/aggregation/sum.ts'
import { DeadLetterCheck } from '../../../src/check/dead-letters.ts'
import { formatReport, reportAsJson } from '../../../src/check/report.ts'
import { verifyJob } from '../../../src/check/verify-job.ts'
import type { DeadLetterRow } from '../../../src/database/dialect.ts'
import { json } from '../../../src/decode/json.ts'
import { deadLetter } from '../../../src/job/poison.ts'
import { from } from '../../../src/pipeline/from.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import { merge } from '../../../src/sink/merge.ts'
import type { PlainRecord } from '../../../src/source/record-segment.ts'
import { type FakeTable, fakeDialect, fakeJob, fakeLog } from './fakes.ts'
import { type History, honestHistory } from './histories.ts'

interface Order {
  item: string
  amount: number
}

const totals = from({ kind: 'fake', startFrom: 'earliest' })
  .decode(json<Order>())
  .groupBy({ item: (o) => o.item })
  .aggregate({ n: count(), total: sum((o) => o.amount) })
  .into(merge({ table: 'totals' }))

function order(offset: number, item: string, amount: unknown): PlainRecord {
  return { offset, value: JSON.stringify({ item, amount }) }
}

/** The aggregate cannot take 0@1, the database cannot take 1@0. */
const log = [
  [order(0, 'a', 1), order(1, 'a', 'not a number'), order(2, 'a', 3)],
  [order(0, 'far too long a name', 4), order(1, 'b', 5)],
]

const failed: DeadLetterRow = {
  topic: 'orders',
  partition: 0,
  offset: 1n,
  incarnation: 0,
  batchId: 'batch-0-0',
  timestampMs: 0,
  keyLength: null,
  valueLength: 30,
  truncated: false,
  code: 'JOB_FUNCTION_FAILED',
  stage: "aggregate 'total'",
  message: 'no number',
  status: 'open',
  createdAt: new Date(0),
}
const rejected: DeadLetterRow = {
  ...failed,
  partition: 1,
  offset: 0n,
  batchId: 'batch-1-0',
  code: 'ROWS_REJECTED',
  stage: 'sink',
}

const table: FakeTable = {
  columns: [
    { name: 'item', type: 'text' },
    { name: 'n', type: 'bigint' },
    { name: 'total', type: 'bigint' },
  ],
  rows: [
    { item: 'a', n: '2', total: '4' },
    { item: 'b', n: '1', total: '5' },
  ],
}

function history(counts: readonly number[] = [1, 1]): History {
  const { ledger, positions } = honestHistory([
    { start: 0, batches: [{ length: 3, records: 3, claims: false }] },
    { start: 0, batches: [{ length: 2, records: 2, claims: false }] },
  ])
  const withCounts = ledger.map((row) =>
    row.kind === 'batch' ? { ...row, deadLetters: counts[row.partition] ?? 0 } : row,
  )
  return { ledger: withCounts, positions }
}

async function verify({
  deadLetters = [failed, rejected] as readonly DeadLetterRow[],
  rows = table.rows,
  records = log as readonly (readonly PlainRecord[])[],
  counts = [1, 1],
} = {}) {
  const job = { ...fakeJob(totals), poison: deadLetter() }
  const dialect = fakeDialect({
    history: history(counts),
    tables: { totals: { ...table, rows } },
    deadLetters,
  })
  const { source } = fakeLog(records)
  return verifyJob({ job, dialect, source, runtime: systemRuntime, onProgress: () => {} })
}

const classes = (report: Awaited<ReturnType<typeof verify>>) =>
  report.deadLetters.violations.first.map((violation) => violation.class)

test('a job whose tables have every record but its dead letters is ok, and says how many there are', async () => {
  const report = await verify()
  expect(report).toMatchObject({ outcome: 'ok', exitCode: 0, lost: 0n, duplicated: 0n, recordsReplayed: 5 })
  expect(formatReport(report)).toMatch(/dead letters {2}2/)
  expect(reportAsJson(report).deadLetters).toEqual({
    total: 2,
    violations: { total: 0, first: [] },
    notes: { total: 0, first: [] },
  })
})

describe('negative controls', () => {
  test('a dead letter of a function that was deleted by hand is missed by the ledger, and by the log', async () => {
    const report = await verify({ deadLetters: [rejected] })
    expect(report).toMatchObject({ outcome: 'violation', exitCode: 4 })
    expect(classes(report)).toEqual(['dead-letter-count', 'dead-letter-missing'])
    expect(formatReport(report)).toContain(
      "dead-letter-missing: orders/0 offset 1 is no dead letter, and fails when it is computed again: aggregate 'total' failed",
    )
  })

  test('a dead letter of the database that was deleted by hand is missed by the ledger, and its row in the table', async () => {
    const report = await verify({ deadLetters: [failed] })
    expect(report).toMatchObject({ outcome: 'violation', lost: 1n })
    expect(classes(report)).toEqual(['dead-letter-count'])
    expect(report.tables[0]?.differences.first).toMatchObject([{ class: 'row-missing' }])
  })

  test('a dead letter that was deleted together with its count is still missed', async () => {
    const report = await verify({ deadLetters: [rejected], counts: [0, 1] })
    expect(report.outcome).toBe('violation')
    expect(classes(report)).toEqual(['dead-letter-missing'])
  })

  test('a record that is a dead letter and was counted too is counted twice', async () => {
    const rows = [...table.rows, { item: 'far too long a name', n: '1', total: '4' }]
    const report = await verify({ rows })
    expect(report).toMatchObject({ outcome: 'violation', duplicated: 1n })
  })

  test('a dead letter that no batch has left out is one too many', async () => {
    const report = await verify({ deadLetters: [failed, rejected, { ...failed, offset: 2n }] })
    expect(report.outcome).toBe('violation')
    expect(classes(report)).toEqual(['dead-letter-count'])
  })

  test('a dead letter past its position was not committed with it', async () => {
    const report = await verify({ deadLetters: [failed, rejected, { ...failed, offset: 3n }] })
    expect(report.outcome).toBe('violation')
    expect(classes(report)).toEqual(['dead-letter-uncommitted'])
  })

  test('a dead letter of an earlier incarnation excuses nothing', async () => {
    const report = await verify({ deadLetters: [{ ...failed, incarnation: -1 }, rejected] })
    expect(classes(report)).toEqual(['dead-letter-count', 'dead-letter-unaccounted', 'dead-letter-missing'])
  })

  test('a dead letter that is there twice, the second time under an incarnation that never was', async () => {
    const report = await verify({ deadLetters: [failed, { ...failed, incarnation: 1 }, rejected] })
    expect(classes(report)).toEqual(['dead-letter-unaccounted'])
    expect(report.tables[0]?.differences.total).toBe(0)
    expect(report.outcome).toBe('violation')
  })

  test('a dead letter of another batch than the one that has committed its range', async () => {
    const report = await verify({ deadLetters: [{ ...failed, batchId: 'batch-1-0' }, rejected] })
    expect(classes(report)).toEqual(['dead-letter-unaccounted'])
    expect(report.deadLetters.violations.first[0]?.message).toBe(
      'orders/0 offset 1 is a dead letter of batch batch-1-0, and batch batch-0-0 has committed its range',
    )
  })

  test('a dead letter of a record before the start', () => {
    const { ledger, positions } = history()
    const late = ledger.map((row) =>
      row.kind === 'start' ? { ...row, fromOffset: 1n, untilOffset: 1n } : { ...row, fromOffset: 1n },
    )
    const early = { ...failed, offset: 0n }
    const { violations } = new DeadLetterCheck([early, failed, rejected], late, positions).finish()
    expect(violations.first.map(({ class: kind }) => kind)).toContain('dead-letter-unaccounted')
  })
})

test('a dead letter that was replayed counts in the table like any record', async () => {
  const rows = [...table.rows, { item: 'far too long a name', n: '1', total: '4' }]
  expect(await verify({ rows, deadLetters: [failed, { ...rejected, status: 'replayed' }] })).toMatchObject({
    outcome: 'ok',
  })
  expect(await verify({ rows, deadLetters: [failed, { ...rejected, status: 'dropped' }] })).toMatchObject({
    outcome: 'violation',
  })
})

describe('what contradicts nothing is a note', () => {
  test('a dead letter that no longer fails, because the functions have changed', async () => {
    const records = [[order(0, 'a', 1), order(1, 'a', 2), order(2, 'a', 3)], log[1] ?? []]
    const report = await verify({ records })
    expect(report.outcome).toBe('ok')
    expect(report.deadLetters.notes.first).toEqual([
      expect.stringMatching(/the dead letter orders\/0 offset 1 no longer fails \(aggregate 'total' did\)/),
    ])
    expect(formatReport(report)).toMatch(/note {10}the dead letter orders\/0 offset 1/)
  })

  test('a dead letter whose record is no longer in the log', async () => {
    const compacted = [log[0]?.filter(({ offset }) => offset !== 1) ?? [], log[1] ?? []]
    const report = await verify({ records: compacted })
    expect(report.deadLetters.notes.first).toEqual([
      'the record of the dead letter orders/0 offset 1 is no longer in the log',
    ])
  })
})
