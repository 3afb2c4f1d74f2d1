import type { Knex } from 'knex'
import { describe, expect, test } from 'vitest'
import { count } from '../../../src/aggregation/count.ts'
import { max } from '../../../src/aggregation/extreme.ts'
import { sum } from '../../../src/aggregation/sum.ts'
import { sumDecimal } from '../../../src/aggregation/sum-decimal.ts'
import type { AppendWrite, MergeWrite, Transaction } from '../../../src/database/dialect.ts'
import { json } from '../../../src/decode/json.ts'
import { compilePartitionTask } from '../../../src/executor/partition-task.ts'
import type { BatchInfo } from '../../../src/model/micro-batch.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { append } from '../../../src/sink/append.ts'
import { deliver } from '../../../src/sink/deliver.ts'
import { merge } from '../../../src/sink/merge.ts'
import { rowObjects } from '../../../src/sink/rows.ts'
import { write, writeResult } from '../../../src/sink/write.ts'
import { jsonRecords, rangeOf } from '../executor/ranges.ts'

interface Order {
  item: string
  amount: number
  at?: string
  note?: string | null
}

const orders = from({ kind: 'test', startFrom: 'earliest' }).decode(json<Order>())
const handle = { knex: true } as unknown as Knex

/** Delivers what the pipeline makes of `values`, and tells what the transaction was asked for. */
async function delivered({ plan }: Pipeline, values: readonly unknown[]) {
  const task = compilePartitionTask(plan.root, [plan], systemClock)
  const fetched = rangeOf(jsonRecords(values, 10))
  const { partials, records, range } = await task.run(fetched, new AbortController().signal)
  const batch: BatchInfo = { batchId: 'id', job: 'job', ranges: [range], records, deadLetters: 0 }
  const merges: MergeWrite[] = []
  const appends: AppendWrite[] = []
  const trx = {
    mergeRows: async (mergeWrite: MergeWrite) => {
      merges.push(mergeWrite)
      return mergeWrite.rows.length
    },
    appendRows: async (appendWrite: AppendWrite) => {
      appends.push(appendWrite)
      return appendWrite.rows.length
    },
    runUserCode: async (work: (trx: Knex) => Promise<unknown>) => {
      await work(handle)
    },
  } as unknown as Transaction
  const [collected] = partials
  if (!collected) throw new Error('no partial result')
  const rows = await deliver(trx, plan, collected, batch)
  return { rows, merges, appends, batch, collected }
}

describe('merge', () => {
  const grouped = orders.groupBy({ item: (o) => o.item, large: (o) => o.amount > 5 })
  const pipeline = grouped
    .aggregate({ n: count(), revenue: sumDecimal((o) => o.amount, { scale: 2 }), top: max((o) => o.amount) })
    .into(merge({ table: 'sales.t', columns: { item: 'article', revenue: 'rev' } }))

  test('hands over columns with their rules, and rows sorted by key in code units', async () => {
    const values = ['b', 'ä', 'a', 'B', 'a'].map((item, i) => ({ item, amount: i * 2 }))
    const { merges, rows } = await delivered(pipeline, values)
    expect(merges).toEqual([
      {
        table: 'sales.t',
        keys: ['article', 'large'],
        aggregates: [
          { column: 'n', rule: 'add' },
          { column: 'rev', rule: 'add' },
          { column: 'top', rule: 'greatest' },
        ],
        rows: [
          ['B', true, 1, '6.00', 6],
          ['a', false, 1, '4.00', 4],
          ['a', true, 1, '8.00', 8],
          ['b', false, 1, '0.00', 0],
          ['ä', false, 1, '2.00', 2],
        ],
      },
    ])
    expect(rows).toBe(5)
  })

  test('is not called without rows', async () => {
    const { merges, rows } = await delivered(pipeline, [])
    expect([merges, rows]).toEqual([[], 0])
  })

  test('a result that does not fit names aggregate and group', async () => {
    const huge = orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ total: sum(() => 2n ** 63n) })
      .into(merge({ table: 't' }))
    await expect(delivered(huge, [{ item: 'a' }])).rejects.toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      message: expect.stringMatching(/'total' of the group with item = the string "a".*BIGINT/),
    })
  })

  test('a field that is named like an inherited one keeps its name as its column', async () => {
    const odd = orders
      .groupBy({ toString: (o: Order) => o.item })
      .aggregate({ constructor: count() })
      .into(merge({ table: 't' }))
    const { merges } = await delivered(odd, [{ item: 'a' }])
    expect(merges[0]).toMatchObject({ keys: ['toString'], aggregates: [{ column: 'constructor' }] })
  })
})

describe('append', () => {
  test('writes a row per value, renamed, with coordinates', async () => {
    const pipeline = orders.into(
      append<Order>({
        table: 't',
        columns: { amount: 'price' },
        meta: { topic: 'tp', partition: 'p', offset: 'o', timestamp: 'ts' },
      }),
    )
    const { appends, rows } = await delivered(pipeline, [
      { item: 'a', amount: 1 },
      { item: 'b', amount: 2 },
    ])
    expect(appends).toEqual([
      {
        table: 't',
        columns: ['item', 'price', 'tp', 'p', 'o', 'ts'],
        rows: [
          ['a', 1, 'orders', 0, 10n, new Date(0)],
          ['b', 2, 'orders', 0, 11n, new Date(0)],
        ],
      },
    ])
    expect(rows).toBe(2)
  })

  test('a field that a row lacks is left to its default, whatever else is in the batch', async () => {
    const pipeline = orders
      .map(({ item, amount, note }) => (note === 'none' ? { item, amount } : { amount, note, item }))
      .into(append({ table: 't' }))
    const lacking = { item: 'a', amount: 1, note: 'none' }
    const alone = await delivered(pipeline, [lacking])
    const among = await delivered(pipeline, [
      { item: 'b', amount: 2 },
      lacking,
      { item: 'c', amount: 3, note: null },
      lacking,
    ])
    expect(alone.appends).toEqual([{ table: 't', columns: ['item', 'amount'], rows: [['a', 1]] }])
    expect(among.appends).toEqual([
      {
        table: 't',
        columns: ['amount', 'note', 'item'],
        rows: [
          [2, null, 'b'],
          [3, null, 'c'],
        ],
      },
      {
        table: 't',
        columns: ['item', 'amount'],
        rows: [
          ['a', 1],
          ['a', 1],
        ],
      },
    ])
    expect(among.rows).toBe(4)
  })

  test('the order in which a row has its fields does not matter', async () => {
    const pipeline = orders.into(append<Order>({ table: 't' }))
    const { appends } = await delivered(pipeline, [
      { item: 'a', amount: 1 },
      { amount: 2, item: 'b' },
      { item: 'c', amount: 3 },
    ])
    expect(appends).toEqual([
      {
        table: 't',
        columns: ['item', 'amount'],
        rows: [
          ['a', 1],
          ['b', 2],
          ['c', 3],
        ],
      },
    ])
  })

  test('a field named __proto__ is a column like any other', async () => {
    const pipeline = from({ kind: 'test', startFrom: 'earliest' })
      .decode((bytes) => JSON.parse(JSON.parse(Buffer.from(bytes ?? []).toString())) as { item: string })
      .into(append({ table: 't' }))
    const { appends } = await delivered(pipeline, ['{"__proto__":1,"item":"a"}'])
    expect(appends).toEqual([{ table: 't', columns: ['__proto__', 'item'], rows: [[1, 'a']] }])
  })

  test('two fields that would share a column are refused', async () => {
    const pipeline = orders.into(append<Order>({ table: 't', meta: { offset: 'amount' } }))
    await expect(delivered(pipeline, [{ item: 'a', amount: 1 }])).rejects.toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      message: expect.stringMatching(/two fields .* column 'amount'/),
    })
  })

  test('is not called without rows', async () => {
    const { appends, rows } = await delivered(orders.into(append<Order>({ table: 't' })), [])
    expect([appends, rows]).toEqual([[], 0])
  })
})

describe('write', () => {
  test('is given the handle, the rows with keys and results sorted by key, and the batch', async () => {
    const calls: unknown[][] = []
    const pipeline = orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ n: count(), total: sum((o) => o.amount) })
      .into(
        write(async (...args) => {
          calls.push(args)
        }),
      )
    const { batch, rows } = await delivered(pipeline, [
      { item: 'b', amount: 2 },
      { item: 'a', amount: 1 },
      { item: 'b', amount: 3 },
    ])
    const expected = [
      { item: 'a', n: 1, total: 1n },
      { item: 'b', n: 2, total: 5n },
    ]
    expect(calls).toEqual([[handle, expected, batch]])
    expect(rows).toBe(2)
  })

  test('without an aggregate is given the values as they are', async () => {
    let given: readonly unknown[] = []
    const pipeline = orders
      .map((o) => o.amount)
      .into(
        write(async (_trx, rows) => {
          given = rows
        }),
      )
    await delivered(pipeline, [{ amount: 2 }, { amount: 1 }])
    expect(given).toEqual([2, 1])
  })

  test('is not called without rows', async () => {
    let called = false
    const pipeline = orders
      .filter(() => false)
      .into(
        write(async () => {
          called = true
        }),
      )
    expect((await delivered(pipeline, [{}])).rows).toBe(0)
    expect(called).toBe(false)
  })
})

describe('writeResult', () => {
  const results: unknown[] = []
  const pipeline = orders
    .filter((o) => o.amount > 0)
    .reduce({ zero: () => 0, add: (total, o) => total + o.amount, merge: (a, b) => a + b })
    .into(
      writeResult(async (_trx, result) => {
        results.push(result)
      }),
    )

  test('is given the result, also of records that were all filtered away, but not of no records', async () => {
    expect((await delivered(pipeline, [{ amount: 2 }, { amount: 3 }])).rows).toBe(1)
    expect((await delivered(pipeline, [{ amount: 0 }])).rows).toBe(1)
    expect((await delivered(pipeline, [])).rows).toBe(0)
    expect(results).toEqual([5, 0])
  })

  test('what it throws is thrown', async () => {
    const failing = orders
      .reduce({ zero: () => 0, add: (a) => a, merge: (a) => a })
      .into(writeResult(() => Promise.reject(new Error('no such table'))))
    await expect(delivered(failing, [{}])).rejects.toThrow('no such table')
  })
})

test('rows to look at are objects for every kind of result', async () => {
  const looked = async (pipeline: Pipeline, values: readonly unknown[]) =>
    rowObjects(pipeline.plan, (await delivered(pipeline, values)).collected)
  const sink = write(async () => {})
  expect(await looked(orders.into(sink), [{ item: 'a' }])).toEqual([{ item: 'a' }])
  expect(await looked(orders.map((o) => o.item).into(sink), [{ item: 'a' }])).toEqual([{ value: 'a' }])
  const grouped = orders
    .groupBy({ item: (o) => o.item })
    .aggregate({ n: count() })
    .into(sink)
  expect(await looked(grouped, [{ item: 'a' }])).toEqual([{ item: 'a', n: 1 }])
  const reduced = orders
    .reduce({ zero: () => 0, add: (a) => a, merge: (a) => a })
    .into(writeResult(async () => {}))
  expect(await looked(reduced, [{}])).toEqual([])
})
