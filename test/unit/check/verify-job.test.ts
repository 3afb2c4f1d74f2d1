import { describe, expect, test } from 'vitest'
import { count } from '../../../src/aggregation/count.ts'
import { hopping } from '../../../src/aggregation/hopping.ts'
import { sumDecimal } from '../../../src/aggregation/sum-decimal.ts'
import { verifyJob } from '../../../src/check/verify-job.ts'
import { json } from '../../../src/decode/json.ts'
import { shapeOf } from '../../../src/job/shape.ts'
import { from } from '../../../src/pipeline/from.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import { append } from '../../../src/sink/append.ts'
import { merge } from '../../../src/sink/merge.ts'
import { write } from '../../../src/sink/write.ts'
import type { PlainRecord } from '../../../src/source/record-segment.ts'
import { type FakeDatabase, type FakeTable, fakeDialect, fakeJob, fakeLog } from './fakes.ts'
import { type History, honestHistory } from './histories.ts'

interface Order {
  item: string
  amount: number
}

const orders = from({ kind: 'fake', startFrom: 'earliest' }).decode(json<Order>())
const totals = orders
  .groupBy({ item: (o) => o.item })
  .aggregate({ orders: count(), revenue: sumDecimal((o) => o.amount, { scale: 2 }) })
  .into(merge({ table: 'totals', columns: { revenue: 'turnover' } }))
const copies = orders
  .map((o) => ({ item: o.item, amount: o.amount }))
  .into(append({ table: 'copies', meta: { partition: 'p', offset: 'o' } }))

function order(offset: number, item: string, amount: number): PlainRecord {
  return { offset, value: JSON.stringify({ item, amount }) }
}

/** Two partitions; offset 2 of the first is a marker. */
const log = [
  [order(0, 'a', 1.1), order(1, 'b', 2.2), order(3, 'a', 3.3)],
  [order(0, 'b', 4.4), order(1, 'b', 5.5)],
]

function history(): History {
  return honestHistory([
    {
      start: 0,
      batches: [
        { length: 2, records: 2, claims: false },
        { length: 2, records: 1, claims: true },
      ],
    },
    { start: 0, batches: [{ length: 2, records: 2, claims: false }] },
  ])
}

const totalsTable: FakeTable = {
  columns: [
    { name: 'item', type: 'text' },
    { name: 'orders', type: 'bigint' },
    { name: 'turnover', type: 'numeric(14,2)' },
  ],
  rows: [
    { item: 'b', orders: '3', turnover: '12.10' },
    { item: 'a', orders: '2', turnover: '4.40' },
  ],
}

const copiesTable: FakeTable = {
  columns: [
    { name: 'id', type: 'bigint', hasDefault: true },
    { name: 'item', type: 'text' },
    { name: 'amount', type: 'numeric(14,2)' },
    { name: 'p', type: 'integer' },
    { name: 'o', type: 'bigint' },
  ],
  rows: log.flatMap((records, p) =>
    records.map(({ offset, value }, i) => {
      const { item, amount } = JSON.parse(String(value)) as Order
      return { id: String(i), item, amount: amount.toFixed(2), p: String(p), o: String(offset) }
    }),
  ),
}

function withRows(
  table: FakeTable,
  change: (rows: FakeTable['rows'][number][]) => FakeTable['rows'][number][],
) {
  return { ...table, rows: change([...table.rows]) }
}

async function verify(
  database: Partial<FakeDatabase> = {},
  { job = fakeJob(totals, copies), fake = fakeLog(log), chainOnly = false } = {},
) {
  const tables = { totals: totalsTable, copies: copiesTable, ...database.tables }
  const dialect = fakeDialect({ history: history(), ...database, tables })
  const report = await verifyJob({
    job,
    dialect,
    source: fake.source,
    runtime: systemRuntime,
    chainOnly,
    onProgress: () => {},
  })
  expect(fake.calls.at(-1)).toBe('close')
  return report
}

test('a job whose tables say what its log says is ok, in every table and batch', async () => {
  const report = await verify()
  expect(report).toMatchObject({ outcome: 'ok', exitCode: 0, lost: 0n, duplicated: 0n, recordsReplayed: 5 })
  expect(report.controlTotals).toMatchObject({ batches: 3 })
  expect(report.tables).toMatchObject([
    { table: 'totals', rowsExpected: 2, rowsActual: 2, totals: [{ expected: '5' }, { expected: '16.5' }] },
    { table: 'copies', rowsExpected: 5, rowsActual: 5 },
  ])
})

test('of the chain only, neither the log is read nor a table, and neither is a reason for doubt', async () => {
  const fake = fakeLog(log)
  const empty = { totals: withRows(totalsTable, () => []) }
  const report = await verify({ tables: empty }, { fake, chainOnly: true })
  expect(report).toMatchObject({
    outcome: 'ok',
    exitCode: 0,
    chainOnly: true,
    recordsReplayed: 0,
    tables: [],
  })
  expect(fake.calls).toEqual(['close'])
  const { ledger, positions } = history()
  const gap = { ledger: ledger.slice(0, -1), positions }
  expect(await verify({ history: gap }, { chainOnly: true })).toMatchObject({
    outcome: 'violation',
    exitCode: 4,
  })
  const nothing = { ledger: [], positions: [] }
  expect((await verify({ history: nothing }, { chainOnly: true })).outcome).toBe('inconclusive')
})

test('with hopping windows every row is compared, but no column counts records', async () => {
  const windowed = orders
    .groupBy({ from: hopping({ size: '2 seconds', every: '1 second' }, (o) => o.amount * 1_000) })
    .aggregate({ n: count() })
    .into(merge({ table: 'windows' }))
  const rows = [0, 1, 2, 3, 4, 5].map((second) => ({
    from: new Date(second * 1_000).toISOString(),
    n: second % 5 === 0 ? '1' : '2',
  }))
  const verified = (n: string) =>
    verify(
      {
        tables: {
          windows: {
            columns: [
              { name: 'from', type: 'timestamp with time zone' },
              { name: 'n', type: 'bigint' },
            ],
            rows: [{ from: rows[0]?.from ?? '', n }, ...rows.slice(1)],
          },
        },
      },
      { job: fakeJob(windowed), fake: fakeLog(log) },
    )
  expect(await verified('1')).toMatchObject({
    outcome: 'ok',
    tables: [{ rowsExpected: 6, lost: null, totals: [{ expected: '10', actual: '10' }] }],
  })
  expect(await verified('2')).toMatchObject({ outcome: 'violation', tables: [{ duplicated: null }] })
})

test('nothing at or past the positions is read: records that follow do not count', async () => {
  const longer = log.map((records) => [...records, order(4, 'a', 9)])
  expect(await verify({}, { fake: fakeLog(longer) })).toMatchObject({ outcome: 'ok', recordsReplayed: 5 })
})

describe('negative controls: a table that is not what the log says', () => {
  const [b, a] = totalsTable.rows as [FakeTable['rows'][number], FakeTable['rows'][number]]
  test.each<[string, FakeTable['rows'], bigint, bigint]>([
    ['a record lost', [{ ...b, orders: '2', turnover: '7.70' }, a], 1n, 0n],
    ['a record twice', [{ ...b, orders: '4', turnover: '16.50' }, a], 0n, 1n],
    [
      'errors that compensate each other',
      [
        { ...b, orders: '2' },
        { ...a, orders: '3' },
      ],
      1n,
      1n,
    ],
    ['a wrong sum with the right count', [{ ...b, turnover: '12.11' }, a], 0n, 0n],
    ['a key that should not be there', [b, a, { item: 'c', orders: '1', turnover: '0.00' }], 0n, 1n],
    ['an empty table', [], 5n, 0n],
  ])('merge: %s', async (_name, rows, lost, duplicated) => {
    const report = await verify({ tables: { totals: { ...totalsTable, rows } } })
    expect(report).toMatchObject({ outcome: 'violation', exitCode: 4, lost, duplicated })
  })

  test.each<[string, (rows: FakeTable['rows'][number][]) => FakeTable['rows'][number][], bigint, bigint]>([
    ['a record lost', (rows) => rows.slice(1), 1n, 0n],
    ['a record twice', (rows) => [...rows, ...rows.slice(0, 1)], 0n, 1n],
    ['one lost and another twice', (rows) => [...rows.slice(1), ...rows.slice(1, 2)], 1n, 1n],
    ['another value', ([first, ...rest]) => [{ ...first, amount: '9.99' }, ...rest], 1n, 1n],
    ['an empty table', () => [], 5n, 0n],
  ])('append: %s', async (_name, change, lost, duplicated) => {
    const report = await verify({ tables: { copies: withRows(copiesTable, change) } })
    expect(report).toMatchObject({ outcome: 'violation', exitCode: 4, lost, duplicated })
    expect(report.tables[1]?.differences.total).toBeGreaterThan(0)
  })

  test('append: the lost record is named by its coordinates', async () => {
    const report = await verify({ tables: { copies: withRows(copiesTable, (rows) => rows.slice(1)) } })
    expect(report.tables[1]?.differences.first).toMatchObject([
      { class: 'row-missing', key: { item: 'a', amount: '1.1', p: '0', o: '0' } },
    ])
  })

  test('a batch that says it had one record fewer than the log has', async () => {
    const { ledger, positions } = history()
    const short = ledger.map((row) => (row.batchId === 'batch-1-0' ? { ...row, records: 1 } : row))
    const report = await verify({ history: { ledger: short, positions } })
    expect(report.controlTotals?.violations.first).toMatchObject([
      { class: 'record-count', batchId: 'batch-1-0' },
    ])
    expect(report.outcome).toBe('violation')
  })

  test('a position that was moved on without its batch: chain and tables both say so', async () => {
    const { ledger, positions } = history()
    const longer = [log[0] ?? [], [...(log[1] ?? []), order(2, 'b', 1)]]
    const moved = positions.map((row) => (row.partition === 1 ? { ...row, nextOffset: 3n } : row))
    const report = await verify({ history: { ledger, positions: moved } }, { fake: fakeLog(longer) })
    expect(report.chain.violations.first).toMatchObject([{ class: 'position-past-ledger' }])
    expect(report).toMatchObject({ outcome: 'violation', lost: 1n })
  })
})

describe('what cannot be verified is inconclusive, never ok', () => {
  test('a job that has committed nothing, even where tables and log agree that there is nothing', async () => {
    const empty = honestHistory([{ start: 0, batches: [] }])
    const tables = { totals: withRows(totalsTable, () => []), copies: withRows(copiesTable, () => []) }
    const report = await verify({ history: empty, tables })
    expect(report).toMatchObject({ outcome: 'inconclusive', exitCode: 5 })
    expect(report.inconclusive).toEqual(['the job has committed no batch: there is nothing to verify'])
  })

  test('rows in the table of a job that has committed nothing are a violation all the same', async () => {
    expect(await verify({ history: honestHistory([{ start: 0, batches: [] }]) })).toMatchObject({
      outcome: 'violation',
      duplicated: 5n,
    })
  })

  test('a database without the tables of oncesink', async () => {
    expect((await verify({ schemaVersion: 0 })).inconclusive.join()).toContain('has never run here')
  })

  test('a log whose beginning retention has deleted, with the chain checked', async () => {
    const report = await verify({}, { fake: fakeLog(log, { low: 1 }) })
    expect(report).toMatchObject({ outcome: 'inconclusive', lost: null, tables: [], chain: { batches: 3 } })
    expect(report.inconclusive.join()).toContain('retention has deleted orders/0 [0, 1)')
  })

  test('a topic that was created again', async () => {
    const report = await verify({}, { fake: fakeLog(log, { topicId: 'another' }) })
    expect(report.outcome).toBe('inconclusive')
    expect(report.inconclusive.join()).toContain('deleted and created again')
  })

  test('a record that the functions of the job no longer accept', async () => {
    const broken = [log[0] ?? [], [{ offset: 0, value: 'not JSON' }, order(1, 'b', 5.5)]]
    expect((await verify({}, { fake: fakeLog(broken) })).outcome).toBe('inconclusive')
  })

  test('what write() did, which is named', async () => {
    const job = fakeJob(totals, orders.into(write(async () => {})))
    const report = await verify({}, { job })
    expect(report).toMatchObject({ outcome: 'inconclusive', lost: 0n })
    expect(report.inconclusive).toEqual([
      'what write() has written cannot be recomputed: only merge, upsert and append tables can',
    ])
  })

  test('a table that is not there', async () => {
    const report = await verify({ tables: {} }, { job: fakeJob(orders.into(append({ table: 'gone' }))) })
    expect(report.inconclusive).toContain('table gone does not exist')
  })
})

test('rows with and without an optional field are compared as NULL and value', async () => {
  const notes = orders
    .map((o): { item: string; note?: string } =>
      o.item === 'b' ? { item: o.item, note: 'n' } : { item: o.item },
    )
    .into(append({ table: 'notes' }))
  const table = (lastNote: string | null): FakeTable => ({
    columns: [
      { name: 'item', type: 'text' },
      { name: 'note', type: 'text' },
    ],
    rows: [
      { item: 'a', note: null },
      { item: 'a', note: null },
      { item: 'b', note: 'n' },
      { item: 'b', note: 'n' },
      { item: 'b', note: lastNote },
    ],
  })
  const job = fakeJob(notes)
  expect((await verify({ tables: { notes: table('n') } }, { job })).outcome).toBe('ok')
  expect(await verify({ tables: { notes: table(null) } }, { job })).toMatchObject({
    outcome: 'violation',
    lost: 1n,
    duplicated: 1n,
  })
})

test('a column that some rows leave to its default is named and not compared', async () => {
  const notes = orders
    .map((o): { item: string; note?: string } =>
      o.item === 'b' ? { item: o.item, note: 'n' } : { item: o.item },
    )
    .into(append({ table: 'notes' }))
  const table: FakeTable = {
    columns: [
      { name: 'item', type: 'text' },
      { name: 'note', type: 'text', hasDefault: true },
    ],
    rows: ['a', 'a', 'b', 'b', 'b'].map((item) => ({ item, note: 'whatever' })),
  }
  const report = await verify({ tables: { notes: table } }, { job: fakeJob(notes) })
  expect(report).toMatchObject({ outcome: 'inconclusive', lost: 0n, tables: [{ notCompared: ['note'] }] })
})

test('a job of another shape is refused before anything is compared', async () => {
  const job = fakeJob(totals)
  const row = { job: job.name, codeVersion: '1', sinkTables: ['totals'], clusterId: 'cluster' }
  const other = shapeOf(fakeJob(copies))
  await expect(verify({ jobRow: { ...row, shape: other } }, { job })).rejects.toMatchObject({
    code: 'JOB_IDENTITY_CONFLICT',
  })
  expect((await verify({ jobRow: { ...row, shape: shapeOf(job) } }, { job })).outcome).toBe('ok')
})
