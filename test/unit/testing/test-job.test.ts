import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  append,
  count,
  deadLetter,
  defineJob,
  from,
  json,
  kafka,
  merge,
  nullable,
  postgres,
  string,
  sumDecimal,
  tumbling,
  upsert,
  write,
  writeResult,
} from '../../../src/index.ts'
import type { JobOptions } from '../../../src/job/define-job.ts'
import { testJob } from '../../../src/testing/index.ts'

interface Order {
  item: string
  amount: number
}

const orders = from(kafka({ brokers: ['localhost:9092'], topics: ['orders'] })).decode(json<Order>())
const totals = orders
  .filter((o) => o.amount > 0)
  .groupBy({ item: (o) => o.item, minute: tumbling('1 minute', (_, meta) => new Date(meta.timestampMs)) })
  .aggregate({ orders: count(), revenue: sumDecimal((o) => o.amount, { scale: 2 }) })
  .into(merge({ table: 'totals', columns: { revenue: 'turnover' } }))
const copies = orders
  .map(({ item }, meta) => ({ item, source: meta.headers.get('source')?.toString() ?? null }))
  .into(append({ table: 'copies', meta: { topic: 't', partition: 'p', offset: 'o' } }))

function job(pipeline: JobOptions['pipeline'], more: Partial<JobOptions> = {}) {
  return defineJob({
    name: 'tested',
    database: postgres({ connectionString: 'postgres://nobody@nowhere/none' }),
    pipeline,
    ...more,
  })
}

const tea = (amount: number) => ({ value: { item: 'tea', amount } })

test('rows are what the real aggregates make of all that was sent, whatever the batches', async () => {
  const bench = testJob(job(totals))
  expect(await bench.rows()).toEqual([])
  expect(await bench.send([tea(1.1), tea(2.2), tea(-5)])).toEqual({ records: 3, deadLetters: [] })
  await bench.send({ ...tea(3.3), partition: 4, timestamp: new Date(59_999) })
  await bench.send({ value: '{"item":"milk","amount":1}', timestamp: 60_000 })
  const rows = [
    { item: 'milk', minute: new Date(60_000), orders: 1n, turnover: '1.00' },
    { item: 'tea', minute: new Date(0), orders: 3n, turnover: '6.60' },
  ]
  const actual = (await bench.rows('totals')).map((row) => ({ ...row, orders: BigInt(row.orders as number) }))
  expect(actual).toEqual(rows)
  // Looking does not change anything.
  expect(await bench.rows()).toHaveLength(2)
  expect((await bench.rows())[1]?.turnover).toBe('6.60')
})

test('appended rows have their columns, meta columns and headers, and offsets count per partition', async () => {
  const bench = testJob(job([totals, copies]))
  await bench.send([
    { ...tea(1), headers: { source: 'shop' } },
    { ...tea(1), partition: 1, topic: 'other' },
    { ...tea(1), headers: [['source', null]], key: 'k' },
  ])
  await bench.send(tea(1))
  expect(await bench.rows('copies')).toEqual([
    { item: 'tea', source: 'shop', t: 'orders', p: 0, o: 0n },
    { item: 'tea', source: null, t: 'orders', p: 0, o: 1n },
    { item: 'tea', source: null, t: 'other', p: 1, o: 0n },
    { item: 'tea', source: null, t: 'orders', p: 0, o: 2n },
  ])
})

describe('a record that cannot be processed', () => {
  test('fails the send, and nothing of its batch counts', async () => {
    const bench = testJob(job(totals))
    await bench.send(tea(1))
    await expect(bench.send([tea(1), { value: '{' }])).rejects.toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      record: { topic: 'orders', partition: 0, offset: 2n },
    })
    expect(await bench.rows()).toMatchObject([{ turnover: '1.00' }])
  })

  test('is a dead letter where the job sets it aside, within its budget', async () => {
    const bench = testJob(job([totals, copies], { poison: deadLetter({ maxPerBatch: 1 }) }))
    const sent = await bench.send([tea(1), { value: { item: null, amount: 2 } }, tea(3)])
    expect(sent).toMatchObject({
      records: 3,
      deadLetters: [{ offset: 1n, cause: { stage: "key 'item' (pipeline 1)" } }],
    })
    expect(bench.deadLetters).toEqual(sent.deadLetters)
    expect(await bench.rows('totals')).toMatchObject([{ turnover: '4.00' }])
    expect(await bench.rows('copies')).toHaveLength(2)
    await expect(bench.send([{ value: '{' }, { value: '{' }])).rejects.toMatchObject({
      code: 'DEAD_LETTER_LIMIT',
    })
  })
})

describe('the budget for dead letters', () => {
  const bad = { value: '{' }

  test('of a window is spent over batches, and what is refused spends nothing', async () => {
    const poison = deadLetter({ maxPerBatch: 2, maxPerWindow: 3, windowMs: 10_000 })
    const bench = testJob(job(totals, { poison }))
    await bench.send([bad, bad])
    await expect(bench.send([tea(1), bad, bad])).rejects.toMatchObject({
      code: 'DEAD_LETTER_LIMIT',
      record: { offset: 3n },
      message: expect.stringMatching(
        /^job 'tested' has set 2 records aside in the last 10000 ms, .* poison.maxPerWindow allows 3/,
      ),
    })
    expect(bench.deadLetters).toHaveLength(2)
    expect(await bench.rows()).toEqual([])
    await bench.send(bad)
    await expect(bench.send(bad)).rejects.toMatchObject({ code: 'DEAD_LETTER_LIMIT' })
  })

  test('is there again when the window has passed', async () => {
    let now = 1_000
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
    onTestFinished(() => clock.mockRestore())
    const bench = testJob(
      job(totals, { poison: deadLetter({ maxPerBatch: 1, maxPerWindow: 1, windowMs: 10_000 }) }),
    )
    await bench.send(bad)
    now += 10_000
    await expect(bench.send(bad)).rejects.toMatchObject({ code: 'DEAD_LETTER_LIMIT' })
    now += 1
    await bench.send(bad)
    expect(bench.deadLetters).toHaveLength(2)
  })
})

test('upserted rows are the last of their keys over all batches, without those that were deleted', async () => {
  const latest = from(kafka({ brokers: ['localhost:9092'], topics: ['orders'] }))
    .decode(nullable(json<Order>()), { key: string() })
    .into(
      upsert({
        table: 'latest',
        key: { id: (meta) => meta.key },
        tombstones: 'delete',
        columns: { amount: 'price' },
      }),
    )
  const bench = testJob(job(latest))
  await bench.send([])
  expect(await bench.rows()).toEqual([])
  await bench.send([
    { ...tea(1), key: 'b' },
    { ...tea(2), key: 'a' },
    { ...tea(3), key: 'c' },
  ])
  await bench.send([
    { ...tea(4), key: 'b' },
    { value: null, key: 'a' },
    { value: null, key: 'nobody' },
    { value: null, key: 'c' },
  ])
  await bench.send({ ...tea(5), key: 'c' })
  expect(await bench.rows()).toEqual([
    { id: 'b', item: 'tea', price: 4 },
    { id: 'c', item: 'tea', price: 5 },
  ])
})

test('documents are shown as what they say, not as their text', async () => {
  const details = orders
    .map(({ item }, meta) => ({ item, details: { tags: [item, null], where: { at: Number(meta.offset) } } }))
    .into(append({ table: 'log', meta: { headers: 'h' } }))
  const bench = testJob(job(details))
  await bench.send({ ...tea(1), headers: { by: 'web' } })
  expect(await bench.rows()).toEqual([
    { item: 'tea', details: { tags: ['tea', null], where: { at: 0 } }, h: { by: 'web' } },
  ])
})

describe('the code of a job that needs a database', () => {
  const written = orders.into(
    write(async () => {
      throw new Error('this must not be called')
    }),
  )
  const reduced = orders
    .reduce<string[]>({
      zero: () => [],
      add: (names, o) => {
        names.push(o.item)
        return names
      },
      merge: (a, b) => [...a, ...b],
    })
    .into(writeResult(async () => {}))

  test('is not called: what it would be given can be looked at', async () => {
    const bench = testJob(job([totals, written]))
    await bench.send([tea(1), tea(2)])
    expect(bench.written()).toEqual([
      { item: 'tea', amount: 1 },
      { item: 'tea', amount: 2 },
    ])
    const open = testJob(job([written, reduced]))
    await open.send(tea(1))
    await open.send(tea(2))
    expect(open.written(1)).toEqual([['tea', 'tea']])
    expect(() => open.written()).toThrow(/pipelines 0, 1 \(from 0\) into write\(\)/)
    expect(() => testJob(job(totals)).written(0)).toThrow(/no pipeline into write/)
  })

  test('has no table here, and the message says where to look', async () => {
    await expect(testJob(job(written)).rows('totals')).rejects.toThrow(
      /no sink of it writes to 'totals': job 'tested' declares no table.*look at written\(\)/,
    )
    await expect(testJob(job([totals, copies])).rows()).rejects.toThrow(/say which table: .* totals, copies/)
  })
})

test.each([
  [{ value: undefined }, /value is undefined, which has no JSON/],
  [{ value: { id: 1n } }, /value is an object, which has no JSON/],
  [{ ...tea(1), partition: -1 }, /partition must be an integer from 0, but is -1/],
  [{ ...tea(1), timestamp: new Date(Number.NaN) }, /timestamp must be a Date or whole milliseconds/],
])('a record that no producer can send is refused (%#)', async (record, message) => {
  await expect(testJob(job(totals)).send(record)).rejects.toThrow(message)
})
