import { describe, expect, test } from 'vitest'
import { count } from '../../../src/aggregation/count.ts'
import { sumDecimal } from '../../../src/aggregation/sum-decimal.ts'
import type { VerifyReport } from '../../../src/check/conclusion.ts'
import { formatReport, reportAsJson } from '../../../src/check/report.ts'
import { verifyJob } from '../../../src/check/verify-job.ts'
import type { LedgerRow } from '../../../src/database/dialect.ts'
import { json } from '../../../src/decode/json.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import { merge } from '../../../src/sink/merge.ts'
import { write } from '../../../src/sink/write.ts'
import { addDigests, RangeDigest } from '../../../src/source/range-digest.ts'
import { type PlainRecord, segmentFromRecords } from '../../../src/source/record-segment.ts'
import { type FakeTable, fakeDialect, fakeJob, fakeLog } from './fakes.ts'
import { type History, honestHistory } from './histories.ts'

/*
 * Somebody who knows how the checker works tries to get past it. Each cheat is consistent with everything but the one
 * thing that it falsifies, and exactly one of the checks tells.
 */

interface Order {
  item: string
  amount: number
}

const orders = from({ kind: 'fake', startFrom: 'earliest' }).decode(json<Order>())
const totals = orders
  .groupBy({ item: (o) => o.item })
  .aggregate({ n: count(), sum: sumDecimal((o) => o.amount, { scale: 2 }) })
  .into(merge({ table: 'totals' }))
const written = orders.into(write(async () => {}))

function order(offset: number, item: string, amount: number): PlainRecord {
  return { offset, key: item, value: JSON.stringify({ item, amount }) }
}

/** Batches of two offsets each; sums of 'a' and 'b' do not tell which record had which amount. */
const log = [
  [order(0, 'a', 1), order(1, 'a', 2), order(2, 'b', 3), order(3, 'b', 4)],
  [order(0, 'a', 5), order(1, 'b', 6)],
]

const table: FakeTable = {
  columns: [
    { name: 'item', type: 'text' },
    { name: 'n', type: 'bigint' },
    { name: 'sum', type: 'numeric(14,2)' },
  ],
  rows: [
    { item: 'a', n: '3', sum: '8.00' },
    { item: 'b', n: '3', sum: '13.00' },
  ],
}

function digestOf(partition: number, records: readonly PlainRecord[]): bigint {
  const digest = new RangeDigest()
  digest.add(segmentFromRecords('orders', partition, records), 0, records.length)
  return digest.sum
}

function recordsOf(row: LedgerRow): PlainRecord[] {
  return (log[row.partition] ?? []).filter(
    ({ offset }) => offset >= row.fromOffset && offset < row.untilOffset,
  )
}

const oneBatch = { length: 2, records: 2, claims: false }

/** What an honest job leaves behind: three batches with their digests. */
function honest(): History {
  const { ledger, positions } = honestHistory([
    { start: 0, batches: [oneBatch, oneBatch] },
    { start: 0, batches: [oneBatch] },
  ])
  const withDigests = ledger.map((row) =>
    row.kind === 'batch' ? { ...row, digest: digestOf(row.partition, recordsOf(row)) } : row,
  )
  return { ledger: withDigests, positions }
}

/** The honest history with some rows replaced; null removes the row. */
function changed(change: (row: LedgerRow) => Partial<LedgerRow> | null, history = honest()): History {
  const ledger = history.ledger.flatMap((row) => {
    const changes = change(row)
    return changes === null ? [] : [{ ...row, ...changes }]
  })
  return { ledger, positions: history.positions }
}

const isBatch = (id: string) => (row: LedgerRow) => row.batchId === id

interface Given {
  readonly history?: History
  readonly rows?: FakeTable['rows']
  readonly pipeline?: Pipeline
  readonly low?: number
  readonly digestsExpected?: boolean
}

function verify(given: Given) {
  const { history = honest(), rows = table.rows, pipeline = totals, low = 0, digestsExpected = false } = given
  return verifyJob({
    job: { ...fakeJob(pipeline), ledger: { retentionMs: Number.MAX_SAFE_INTEGER, digest: true } },
    dialect: fakeDialect({ history, tables: { totals: { ...table, rows } } }),
    source: fakeLog(log, { low, chunk: 3 }).source,
    digestsExpected,
    runtime: systemRuntime,
    onProgress: () => {},
  })
}

/** Which of the checks tell, and of what. */
function told({ chain, controlTotals, deadLetters, tables }: VerifyReport) {
  const classes = (list: { first: readonly { readonly class: string }[] } | undefined) =>
    new Set((list?.first ?? []).map(({ class: kind }) => kind))
  return {
    chain: [...classes(chain.violations)],
    totals: [...classes(controlTotals?.violations)],
    deadLetters: [...classes(deadLetters.violations)],
    tables: tables.flatMap(({ differences }) => [...classes(differences)]),
  }
}
const nothing = { chain: [], totals: [], deadLetters: [], tables: [] }

test('the honest job is ok: every batch is counted, with its digest', async () => {
  const report = await verify({})
  expect(told(report)).toEqual(nothing)
  expect(report.outcome).toBe('ok')
  expect(report.controlTotals).toMatchObject({ batches: 3, digests: 3, notRead: 0 })
  expect(formatReport(report)).toContain('3 batches counted, 3 with a digest, all as in the log')
  expect(reportAsJson(report).controlTotals).toMatchObject({ batches: 3, digests: 3, notRead: 0 })
})

describe('only the oracle tells that', () => {
  const [a, b] = table.rows as [FakeTable['rows'][number], FakeTable['rows'][number]]
  test.each<[string, FakeTable['rows']]>([
    [
      'a record has moved from one group to another',
      [
        { ...a, n: '2' },
        { ...b, n: '4' },
      ],
    ],
    [
      'two groups have exchanged their sums',
      [
        { ...a, sum: '13.00' },
        { ...b, sum: '8.00' },
      ],
    ],
    ['a row has gone to another key', [a, { ...b, item: 'c' }]],
  ])('%s', async (_, rows) => {
    const report = await verify({ rows })
    expect(told(report)).toEqual({ ...nothing, tables: expect.arrayContaining([expect.any(String)]) })
    expect(report.outcome).toBe('violation')
  })

  test('the last batch was taken out of the books, position and count with it, and its rows are still there', async () => {
    const { ledger, positions } = changed((row) => (isBatch('batch-0-1')(row) ? null : {}))
    const back = positions.map((row) => (row.partition === 0 ? { ...row, nextOffset: 2n, seq: 1n } : row))
    const report = await verify({ history: { ledger, positions: back } })
    expect(told(report)).toEqual({ ...nothing, tables: ['row-different'] })
    expect(report).toMatchObject({ outcome: 'violation', lost: 0n, duplicated: 2n })
  })

  test('the start was moved past the first batch, which was taken out of the books', async () => {
    const { ledger, positions } = changed((row) => {
      if (isBatch('batch-0-0')(row)) return null
      return row.kind === 'start' && row.partition === 0 ? { fromOffset: 2n, untilOffset: 2n } : {}
    })
    const fewer = positions.map((row) => (row.partition === 0 ? { ...row, seq: 1n } : row))
    const report = await verify({ history: { ledger, positions: fewer } })
    expect(told(report)).toEqual({ ...nothing, tables: ['row-different'] })
  })

  test('a whole partition was taken out of the books', async () => {
    const { ledger, positions } = honest()
    const left = (row: { partition: number }) => row.partition === 0
    const report = await verify({
      history: { ledger: ledger.filter(left), positions: positions.filter(left) },
    })
    expect(told(report)).toEqual({ ...nothing, tables: ['row-different'] })
  })
})

describe('only the chain tells that', () => {
  test('the last row of the ledger was deleted', async () => {
    const report = await verify({ history: changed((row) => (isBatch('batch-0-1')(row) ? null : {})) })
    expect(told(report)).toEqual({ ...nothing, chain: ['position-past-ledger', 'batch-count'] })
    expect(report.outcome).toBe('violation')
  })

  test('two batches were made one row, with records and digests added up', async () => {
    const { ledger, positions } = honest()
    const [first, second] = ledger.filter(({ kind, partition }) => kind === 'batch' && partition === 0)
    if (!first || !second) throw new Error('the first partition has two batches')
    const digest = addDigests(first.digest ?? 0n, second.digest ?? 0n)
    const merged = { ...first, untilOffset: second.untilOffset, records: 4, digest }
    const others = ledger.filter((row) => row !== first && row !== second)
    const report = await verify({ history: { ledger: [...others, merged], positions } })
    expect(told(report)).toEqual({ ...nothing, chain: ['batch-count'] })
  })

  test('one batch was made two rows, with records and digests shared out', async () => {
    const { ledger, positions } = honest()
    const halves = ledger.flatMap((row) => {
      if (!isBatch('batch-0-0')(row)) return [row]
      const [head, tail] = recordsOf(row).map((record) => digestOf(0, [record]))
      const middle = row.fromOffset + 1n
      return [
        { ...row, untilOffset: middle, records: 1, digest: head ?? 0n },
        { ...row, fromOffset: middle, records: 1, digest: tail ?? 0n },
      ]
    })
    const report = await verify({ history: { ledger: halves, positions } })
    expect(told(report)).toEqual({ ...nothing, chain: ['batch-count'] })
  })

  test('a batch was committed by an owner that another one had fenced', async () => {
    const history = changed((row) => (isBatch('batch-0-0')(row) ? { epoch: 5n, claimId: 'claim-5' } : {}))
    expect(told(await verify({ history }))).toEqual({ ...nothing, chain: ['epoch-fell'] })
  })

  test('two claims have committed under one epoch', async () => {
    const history = changed((row) => (isBatch('batch-0-0')(row) ? { claimId: 'another' } : {}))
    expect(told(await verify({ history }))).toEqual({ ...nothing, chain: ['claims-interleaved'] })
  })
})

describe('only the totals tell that', () => {
  /** The history of a job that has read these records in place of the log's. */
  function havingRead(partition: number, records: readonly PlainRecord[]): History {
    return changed((row) => {
      if (row.kind !== 'batch' || row.partition !== partition) return {}
      const read = records.filter(({ offset }) => offset >= row.fromOffset && offset < row.untilOffset)
      return { records: read.length, digest: digestOf(partition, read) }
    })
  }

  test('two records have exchanged their values, and all sums are as they should be', async () => {
    const history = havingRead(0, [order(0, 'a', 2), order(1, 'a', 1), ...(log[0] ?? []).slice(2)])
    const report = await verify({ history })
    expect(told(report)).toEqual({ ...nothing, totals: ['record-digest'] })
    expect(report.outcome).toBe('violation')
    expect(report.controlTotals?.violations.first).toMatchObject([
      { batchId: 'batch-0-0', epoch: 1n, range: { partition: 0, from: 0n, until: 2n } },
    ])
    expect(formatReport(report)).toMatch(
      /record-digest: batch batch-0-0 committed 2 records of orders\/0 \[0, 2\) in epoch 1 with the digest [0-9a-f]{16}, and as many in the log have [0-9a-f]{16}/,
    )
  })

  test('a record was read twice in place of the one after it, of which a write() is told', async () => {
    const [first, ...rest] = log[1] ?? []
    if (!first) throw new Error('the second partition has records')
    const history = havingRead(1, [first, ...rest.map(() => ({ ...first, offset: 1 }))])
    const report = await verify({ history, pipeline: written })
    expect(told(report)).toEqual({ ...nothing, totals: ['record-digest'] })
    expect(report.outcome).toBe('violation')
  })

  test('a record was skipped inside of a range, and a write() has not missed it', async () => {
    const report = await verify({ history: havingRead(1, (log[1] ?? []).slice(1)), pipeline: written })
    expect(told(report)).toEqual({ ...nothing, totals: ['record-count'] })
  })

  test('two batches have exchanged what they say of their records', async () => {
    const { ledger } = honest()
    const digest = (id: string) => ledger.find(isBatch(id))?.digest ?? null
    const history = changed((row) => {
      if (isBatch('batch-0-0')(row)) return { digest: digest('batch-1-0') }
      return isBatch('batch-1-0')(row) ? { digest: digest('batch-0-0') } : {}
    })
    const report = await verify({ history })
    expect(told(report)).toEqual({ ...nothing, totals: ['record-digest'] })
    expect(report.controlTotals?.violations.total).toBe(2)
  })

  test('a batch of the part of the log that retention has left has read other records', async () => {
    const history = havingRead(0, [...(log[0] ?? []).slice(0, 2), order(2, 'b', 4), order(3, 'b', 3)])
    const report = await verify({ history, low: 1 })
    expect(told(report)).toEqual({ ...nothing, totals: ['record-digest'] })
    expect(report).toMatchObject({ outcome: 'violation', tables: [], lost: null })
    expect(report.controlTotals?.violations.first).toMatchObject([{ batchId: 'batch-0-1' }])
  })
})

describe('what cannot be computed again is said, and is no violation', () => {
  test('of batches that retention has cut: the others are counted', async () => {
    const report = await verify({ low: 1 })
    expect(told(report)).toEqual(nothing)
    expect(report.outcome).toBe('inconclusive')
    // Both partitions begin at 1 now: batches [0, 2) are cut, [2, 4) is whole.
    expect(report.controlTotals).toMatchObject({ batches: 1, digests: 1, notRead: 2 })
    expect(formatReport(report)).toContain(
      '1 batches counted, 1 with a digest, all as in the log; 2 not counted: the log could not be read there',
    )
  })

  test('of batches without a digest the records are counted; where all should have one it is a violation', async () => {
    const history = changed((row) => (isBatch('batch-0-0')(row) ? { digest: null } : {}))
    const strict = await verify({ history, digestsExpected: true })
    expect(told(strict)).toEqual({ ...nothing, totals: ['digest-missing'] })
    expect((await verify({ digestsExpected: true })).outcome).toBe('ok')
    const report = await verify({ history })
    expect(report.outcome).toBe('ok')
    expect(report.controlTotals).toMatchObject({ batches: 3, digests: 2, notRead: 0 })
  })

  test('of a batch that has met compaction: its digest is another one by rights', async () => {
    const compacted = log.map((records, p) => (p === 0 ? records.slice(1) : records))
    const report = await verifyJob({
      job: fakeJob(written),
      dialect: fakeDialect({ history: honest(), tables: {} }),
      source: fakeLog(compacted).source,
      runtime: systemRuntime,
      onProgress: () => {},
    })
    expect(told(report)).toEqual(nothing)
    expect(report.outcome).toBe('inconclusive')
    expect(report.inconclusive.join()).toContain('and the log has 1 there: the log was compacted since')
  })
})
