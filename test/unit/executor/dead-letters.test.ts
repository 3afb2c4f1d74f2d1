import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { count } from '../../../src/aggregation/count.ts'
import { hopping } from '../../../src/aggregation/hopping.ts'
import { sum } from '../../../src/aggregation/sum.ts'
import { json } from '../../../src/decode/json.ts'
import { runWithDeadLetters } from '../../../src/executor/dead-letters.ts'
import type { CondemnedRecord } from '../../../src/executor/executor.ts'
import { compilePartitionTask } from '../../../src/executor/partition-task.ts'
import { deadLetter } from '../../../src/job/poison.ts'
import { MAX_HEADER_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../../../src/model/dead-letter.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { append } from '../../../src/sink/append.ts'
import { merge } from '../../../src/sink/merge.ts'
import { write, writeResult } from '../../../src/sink/write.ts'
import type { PlainRecord } from '../../../src/source/record-segment.ts'
import { jsonRecords, rangeOf } from './ranges.ts'

interface Order {
  item: string
  amount: number
  bad?: boolean
  at?: number
}

const orders = from({ kind: 'test', startFrom: 'earliest' }).decode(json<Order>())
const never = new AbortController().signal

function taskOf(pipelines: readonly Pipeline[]) {
  const plans = pipelines.map(({ plan }) => plan)
  const [first] = plans
  if (!first) throw new Error('no pipeline')
  return compilePartitionTask(first.root, plans, systemClock)
}

function run(
  pipelines: Pipeline | readonly Pipeline[],
  records: readonly PlainRecord[],
  { policy = deadLetter(), condemned = [] as readonly CondemnedRecord[] } = {},
) {
  return runWithDeadLetters(taskOf([pipelines].flat()), rangeOf(records), never, policy, condemned)
}

function groupsOf(partial: unknown) {
  const { groups } = partial as { groups: Map<string, { keys: unknown[]; states: unknown[] }> }
  return [...groups.values()].map(({ keys, states }) => [...keys, ...states])
}

const byItem = orders
  .groupBy({ item: (o) => o.item })
  .aggregate({ n: count(), total: sum((o) => o.amount) })
  .into(merge({ table: 't' }))

const rows = orders.map((o) => ({ item: o.item })).into(append({ table: 't' }))

/** Good at 0 and 2, bad at 1. */
const threeOrders = jsonRecords([
  { item: 'a', amount: 1 },
  { item: 'x', amount: 100, bad: true },
  { item: 'a', amount: 2 },
])

function refuse(o: Order): Order {
  if (o.bad) throw new TypeError('this one is bad')
  return o
}

describe('a record that a function of the job cannot take is left out, and the rest counts', () => {
  const nextTo = (pipeline: (stream: typeof orders) => Pipeline) => pipeline(orders)
  test.each([
    ['filter (step 1)', nextTo((o) => o.filter((x) => !!refuse(x)).into(write(async () => {})))],
    ['map (step 1)', nextTo((o) => o.map(refuse).into(write(async () => {})))],
    [
      'flatMap (step 1)',
      nextTo((o) =>
        o
          .flatMap(function* (x) {
            yield x
            refuse(x)
          })
          .into(write(async () => {})),
      ),
    ],
    ['append row', nextTo((o) => o.map((x) => ({ v: x.bad ? Number.NaN : 1 })).into(append({ table: 't' })))],
  ])('%s', async (stage, pipeline) => {
    const { partials, deadLetters, records } = await run(pipeline, threeOrders)
    expect(deadLetters).toMatchObject([{ offset: 1n, cause: { code: 'JOB_FUNCTION_FAILED', stage } }])
    expect(partials[0]).toMatchObject({ kind: 'rows' })
    expect((partials[0] as { rows: unknown[] }).rows).toHaveLength(2)
    expect(records).toBe(3)
  })

  test('a key, a null one too', async () => {
    const byKey = orders
      .groupBy({ item: (o) => (o.bad ? (null as unknown as string) : o.item) })
      .aggregate({ n: count() })
      .into(merge({ table: 't' }))
    const { partials, deadLetters } = await run(byKey, threeOrders)
    expect(groupsOf(partials[0])).toEqual([['a', 2]])
    expect(deadLetters).toMatchObject([
      {
        offset: 1n,
        cause: {
          stage: "key 'item'",
          message: expect.stringContaining('unique indexes treat NULLs as distinct'),
        },
      },
    ])
  })

  test('an aggregate, of which an earlier one has counted the record already', async () => {
    const bySelf = orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ n: count(), total: sum((o) => refuse(o).amount) })
      .into(merge({ table: 't' }))
    const { partials, deadLetters } = await run(bySelf, [
      ...threeOrders.slice(0, 2),
      { offset: 2, value: JSON.stringify({ item: 'a', amount: 7, bad: true }) },
    ])
    expect(groupsOf(partials[0])).toEqual([['a', 1, 1]])
    expect(deadLetters.map(({ offset }) => offset)).toEqual([1n, 2n])
    expect(deadLetters[0]?.cause).toMatchObject({
      stage: "aggregate 'total'",
      message: 'TypeError: this one is bad',
      stack: expect.stringContaining('dead-letters.test.ts'),
    })
  })

  test('the second of the windows of a record', async () => {
    let seen = 0
    const windows = orders
      .groupBy({ at: hopping({ size: '2 minutes', every: '1 minute' }, (o) => o.at ?? 0) })
      .aggregate({
        n: sum((o) => {
          seen += 1
          if (o.bad && seen % 2 === 0) throw new Error('only in the second window')
          return 1
        }),
      })
      .into(merge({ table: 't' }))
    const good = { item: 'a', amount: 1, at: 120_000 }
    const { partials, deadLetters } = await run(windows, jsonRecords([good, { ...good, bad: true }]))
    expect(groupsOf(partials[0]).map(([, n]) => n)).toEqual([1, 1])
    expect(deadLetters).toHaveLength(1)
  })

  test("the 'add' of a reduce, which has changed its accumulator in place", async () => {
    const reduced = orders
      .reduce<{ total: number }>({
        zero: () => ({ total: 0 }),
        add: (sofar, o) => {
          sofar.total += o.amount
          refuse(o)
          return sofar
        },
        merge: (a) => a,
      })
      .into(writeResult(async () => {}))
    const { partials, deadLetters } = await run(reduced, threeOrders)
    expect(partials).toEqual([{ kind: 'reduced', value: { total: 3 } }])
    expect(deadLetters).toHaveLength(1)
  })

  test('the decoder', async () => {
    const { partials, deadLetters } = await run(byItem, [
      { offset: 5, value: '{"item":"a","amount":1}' },
      { offset: 7, value: '{"item":' },
      { offset: 8, value: Buffer.from([0xff, 0xfe]) },
    ])
    expect(groupsOf(partials[0])).toEqual([['a', 1, 1]])
    expect(deadLetters.map(({ offset, cause }) => [offset, cause.stage])).toEqual([
      [7n, "decoder 'json'"],
      [8n, "decoder 'json'"],
    ])
  })
})

test('a record that fails in one pipeline is left out of all of them', async () => {
  const refusing = orders.map(refuse).into(write(async () => {}))
  for (const pipelines of [
    [byItem, rows, refusing],
    [refusing, byItem, rows],
  ]) {
    const { partials, deadLetters } = await run(pipelines, threeOrders)
    const at = (pipeline: Pipeline) => partials[pipelines.indexOf(pipeline)]
    expect(groupsOf(at(byItem))).toEqual([['a', 2, 3]])
    expect((at(rows) as { rows: unknown[] }).rows).toEqual([{ item: 'a' }, { item: 'a' }])
    expect((at(refusing) as { rows: unknown[] }).rows).toHaveLength(2)
    expect(deadLetters.map(({ offset, cause }) => [offset, cause.stage])).toEqual([
      [1n, `map (step 1, pipeline ${pipelines.indexOf(refusing) + 1})`],
    ])
  }
})

test('the result is that of a log without the records that fail, whichever they are', async () => {
  const order = fc.record({
    item: fc.constantFrom('a', 'b', 'c'),
    amount: fc.oneof({ weight: 5, arbitrary: fc.integer() }, { weight: 1, arbitrary: fc.constant(0.5) }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(order, { maxLength: 30 }), async (values) => {
      const all = jsonRecords(values)
      const isGood = (_: unknown, i: number) => Number.isInteger(values[i]?.amount)
      const tolerant = await run([byItem, rows], all)
      const without = await taskOf([byItem, rows]).run(rangeOf(all.filter(isGood)), never)
      expect(tolerant.partials).toEqual(without.partials)
      expect(tolerant.deadLetters.map(({ offset }) => Number(offset))).toEqual(
        all.filter((r, i) => !isGood(r, i)).map(({ offset }) => offset),
      )
    }),
    { numRuns: 60 },
  )
})

test('a key of a record that is left out does not bind the keys after it to its type', async () => {
  const mixed = orders
    .groupBy({ item: (o) => (o.bad ? (7 as unknown as string) : o.item) })
    .aggregate({ n: sum((o) => refuse(o).amount) })
    .into(merge({ table: 't' }))
  const task = taskOf([mixed])
  const range = rangeOf(
    jsonRecords([
      { item: 'x', amount: 1, bad: true },
      { item: 'a', amount: 2 },
    ]),
  )
  const { partials, deadLetters } = await runWithDeadLetters(task, range, never, deadLetter(), undefined)
  expect(groupsOf(partials[0])).toEqual([['a', 2]])
  expect(deadLetters).toHaveLength(1)
})

describe('records that fail only together', () => {
  const large = jsonRecords([
    { item: 'a', amount: 1 },
    { item: 'a', amount: 1 },
  ])
  const enormous = orders
    .reduce<number>({
      zero: () => 0,
      add(sofar) {
        if (sofar === 1) throw new Error('full')
        return sofar + 1
      },
      merge: (a, b) => a + b,
    })
    .into(writeResult(async () => {}))

  test('are nobody’s dead letters: smaller batches are asked for', async () => {
    await expect(run(enormous, large)).rejects.toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      ofBatch: true,
      record: { offset: 1n },
    })
    expect((await run(enormous, large.slice(0, 1))).deadLetters).toEqual([])
  })

  test('without a policy that sets records aside, they stop the job as any other', async () => {
    await expect(taskOf([enormous]).run(rangeOf(large), never)).rejects.toMatchObject({ ofBatch: false })
  })

  test('a record that stands alone and fails because of what came before it is a dead letter', async () => {
    const mixed = orders
      .groupBy({ item: (o) => (o.bad ? (7 as unknown as string) : o.item) })
      .aggregate({ n: count() })
      .into(merge({ table: 't' }))
    const task = taskOf([mixed])
    const alone = (value: Order) =>
      runWithDeadLetters(task, rangeOf(jsonRecords([value])), never, deadLetter(), undefined)
    expect((await alone({ item: 'a', amount: 1 })).deadLetters).toEqual([])
    const { partials, deadLetters } = await alone({ item: 'b', amount: 1, bad: true })
    expect(groupsOf(partials[0])).toEqual([])
    expect(deadLetters).toMatchObject([{ cause: { stage: "key 'item'" } }])
  })
})

test('a condemned record is left out without asking the functions, with the reason that is given', async () => {
  const asked: string[] = []
  const watching = orders
    .map((o) => {
      asked.push(o.item)
      return { item: o.item }
    })
    .into(append({ table: 't' }))
  const cause = { code: 'ROWS_REJECTED', stage: 'sink', message: 'too long', stack: null } as const
  const condemned = { topic: 'orders', partition: 0, offset: 1n, cause }
  const { deadLetters, records } = await run(watching, threeOrders, { condemned: [condemned] })
  expect(asked).toEqual(['a', 'a'])
  expect(deadLetters).toMatchObject([{ offset: 1n, cause }])
  expect(records).toBe(3)
  const elsewhere = await run(watching, threeOrders, { condemned: [{ ...condemned, partition: 1 }] })
  expect(elsewhere.deadLetters).toEqual([])
})

describe('a dead letter', () => {
  const failing = orders.map(refuse).into(write(async () => {}))
  const bad = JSON.stringify({ item: 'x', bad: true })

  test('has key, value, timestamp and headers, in their order and with names that repeat', async () => {
    const { deadLetters } = await run(failing, [
      {
        offset: 3,
        timestampMs: 17,
        key: 'k',
        value: bad,
        headers: [
          ['a', 'one'],
          ['a', null],
          ['b', 'two'],
        ],
      },
    ])
    const [letter] = deadLetters
    expect(letter).toMatchObject({
      topic: 'orders',
      partition: 0,
      offset: 3n,
      timestampMs: 17,
      truncated: false,
    })
    expect(Buffer.from(letter?.value?.bytes ?? []).toString()).toBe(bad)
    expect(letter?.key).toEqual({ bytes: Buffer.from('k'), length: 1 })
    expect(letter?.headers.map(([name, value]) => [name, value && Buffer.from(value).toString()])).toEqual([
      ['a', 'one'],
      ['a', null],
      ['b', 'two'],
    ])
  })

  test('of a null key and a null value has none of them', async () => {
    const { deadLetters } = await run(failing, [{ offset: 3, value: null }])
    expect(deadLetters).toMatchObject([{ key: null, value: null, headers: [], truncated: false }])
  })

  test('of a large record has the first bytes and the true lengths', async () => {
    const value = `${bad.slice(0, -1)},"pad":"${'p'.repeat(3 * MAX_VALUE_BYTES)}"}`
    const headers = [
      ['small', 'stays'],
      ['large', 'h'.repeat(MAX_HEADER_BYTES)],
    ] as const
    const { deadLetters } = await run(failing, [
      { offset: 3, key: 'k'.repeat(MAX_KEY_BYTES + 1), value, headers },
    ])
    const [letter] = deadLetters
    expect(letter?.truncated).toBe(true)
    expect([letter?.value?.bytes.length, letter?.value?.length]).toEqual([MAX_VALUE_BYTES, value.length])
    expect([letter?.key?.bytes.length, letter?.key?.length]).toEqual([MAX_KEY_BYTES, MAX_KEY_BYTES + 1])
    expect(letter?.headers.map(([name]) => name)).toEqual(['small'])
  })

  test('does not keep the fetch response in memory', async () => {
    // Small buffers share one piece of memory anyway.
    const value = `${bad.slice(0, -1)},"pad":"${'p'.repeat(10_000)}"}`
    const fetched = rangeOf([{ offset: 0, value }])
    const { deadLetters } = await runWithDeadLetters(
      taskOf([failing]),
      fetched,
      never,
      deadLetter(),
      undefined,
    )
    const response = fetched.slices[0]?.segment.buffer.buffer
    expect(deadLetters[0]?.value?.bytes.buffer).not.toBe(response)
  })
})

test('more dead letters than a batch may have end the run, and name the first', async () => {
  const failing = orders.map(refuse).into(write(async () => {}))
  const four = jsonRecords([{ bad: true }, {}, { bad: true }, { bad: true }], 10)
  expect((await run(failing, four, { policy: deadLetter({ maxPerBatch: 3 }) })).deadLetters).toHaveLength(3)
  await expect(run(failing, four, { policy: deadLetter({ maxPerBatch: 2 }) })).rejects.toMatchObject({
    code: 'DEAD_LETTER_LIMIT',
    record: { topic: 'orders', partition: 0, offset: 10n },
    message: expect.stringMatching(
      /poison.maxPerBatch allows \(2\).*orders\/0 offset 10: map \(step 1\) failed/,
    ),
  })
})
