import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { collectPartials } from '../../../src/aggregation/collect.ts'
import type { PartialResult } from '../../../src/aggregation/partial-result.ts'
import type { PartitionResult } from '../../../src/executor/executor.ts'
import { compilePartitionTask, type TaskOptions } from '../../../src/executor/partition-task.ts'
import * as api from '../../../src/index.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import type { FetchedRange } from '../../../src/source/source.ts'
import { jsonRecords, rangeOf } from './ranges.ts'

/*
 * Ranges that are added up as one, against the partial results of each of them, merged.
 */

interface Order {
  readonly item: string
  readonly amount: number
}

const never = new AbortController().signal
const source = { kind: 'test', startFrom: 'earliest' } as const
const orders = api.from(source).decode(api.json<Order>())
const fromBytes = api
  .from(source)
  .decode(api.fields({ item: api.text(), amount: api.decimal(2) }))
  .groupBy({ item: (order) => order.item })
  .aggregate({ n: api.count(), total: api.sumDecimal((order) => order.amount, { scale: 2 }) })
  .into(api.merge({ table: 't' }))
const byItem = orders
  .groupBy({ item: (order) => order.item })
  .aggregate({
    n: api.count(),
    total: api.sumDecimal((order) => order.amount, { scale: 2 }),
    least: api.min((order) => order.amount),
    last: api.maxBy((order) => `${order.amount % 7}`, { by: (order) => Math.floor(order.amount / 10) }),
    mean: api.avg((order) => order.amount, { scale: 2 }),
  })
  .into(api.merge({ table: 't' }))
const byWindow = orders
  .filter((order) => order.amount !== 3)
  .groupBy({
    from: api.hopping({ size: '2 minutes', every: '1 minute' }, (order) => order.amount * 1_000),
    item: (order) => order.item,
  })
  .aggregate({ n: api.count() })
  .into(api.merge({ table: 'w' }))

const taskOf = (pipelines: readonly Pipeline[], options: TaskOptions = {}) => {
  const plans = pipelines.map(({ plan }) => plan)
  const [first] = plans
  if (!first) throw new Error('no pipeline')
  return compilePartitionTask(first.root, plans, systemClock, options)
}

/** Without how long it took. */
const timeless = (results: readonly PartitionResult[]) =>
  results.map(({ computeMs: _, partials: _partials, ...rest }) => rest)

const inOrder = (partial: PartialResult | undefined) => {
  if (partial?.kind !== 'groups') throw new Error('no groups')
  return [...partial.groups]
}

async function expectSame(
  pipelines: readonly Pipeline[],
  ranges: readonly FetchedRange[],
  options: TaskOptions = {},
): Promise<void> {
  const alone: PartitionResult[] = []
  const task = taskOf(pipelines, options)
  for (const range of ranges) alone.push(await task.run(range, never))
  const joined = (await taskOf(pipelines, options).runAsOne(ranges, never)) ?? []
  expect(timeless(joined)).toEqual(timeless(alone))
  expect(joined.map(({ partials }) => partials.length)).toEqual(
    ranges.map((_, i) => (i === 0 ? pipelines.length : 0)),
  )
  for (const [i, { plan }] of pipelines.entries()) {
    const merged = collectPartials(
      plan.terminal,
      alone.map(({ partials }) => partials[i] as PartialResult),
    )
    // In the order of their first records, too.
    expect(inOrder(joined[0]?.partials[i])).toEqual(inOrder(merged))
  }
}

const rangesOf = (values: readonly (readonly Order[])[]) =>
  values.map((range, i) => ({
    ...rangeOf(jsonRecords(range, 7 * i), i),
    ...(range.length === 0 && { range: { topic: 'orders', partition: i, from: 0n, until: 2n }, slices: [] }),
  }))

describe('ranges that are added up as one', () => {
  const order = fc.record({ item: fc.constantFrom('a', 'b', '__proto__', 'é'), amount: fc.nat(200) })

  test.each<[string, readonly Pipeline[], TaskOptions]>([
    ['by the functions of the job', [byItem, byWindow], {}],
    ['from their bytes', [fromBytes], {}],
    ['with digests', [byItem], { digest: true }],
    ['the plain way', [fromBytes], { way: 'plain' }],
  ])('come to what each of them comes to, merged: %s', async (_, pipelines, options) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(order, { maxLength: 12 }), { minLength: 1, maxLength: 6 }),
        (values) => expectSame(pipelines, rangesOf(values), options),
      ),
      { numRuns: 60 },
    )
  })

  test('batch after batch, as a job runs them', async () => {
    const task = taskOf([fromBytes])
    const batch = rangesOf([
      [{ item: 'a', amount: 1 }],
      [
        { item: 'a', amount: 2 },
        { item: 'b', amount: 3 },
      ],
    ])
    const groupsOf = async () => inOrder((await task.runAsOne(batch, never))?.[0]?.partials[0])
    const first = await groupsOf()
    expect(first.map(([, { states }]) => states)).toEqual([
      [2, 300],
      [1, 300],
    ])
    expect(await groupsOf()).toEqual(first)
    expect(first[0]?.[1]).not.toBe((await groupsOf())[0]?.[1])
  })

  test('are left to be run one by one when a record fails, of which nothing is left behind', async () => {
    const keyed = orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ n: api.count() })
      .into(api.merge({ table: 't' }))
    const task = taskOf([keyed])
    const bad = rangesOf([
      [{ item: 'a', amount: 1 }],
      [
        { item: 'b', amount: 1 },
        { item: null as never, amount: 1 },
      ],
    ])
    expect(await task.runAsOne(bad, never)).toBeNull()
    // Neither the groups nor the type that the key had.
    const numbers = rangesOf([[{ item: 1 as never, amount: 1 }], [{ item: 2 as never, amount: 1 }]])
    const results = await task.runAsOne(numbers, never)
    expect(inOrder(results?.[0]?.partials[0]).map(([, { keys, states }]) => [...keys, ...states])).toEqual([
      [1, 1],
      [2, 1],
    ])
  })

  test('are run one by one where anything else than aggregates is made of them', async () => {
    const ranges = rangesOf([[{ item: 'a', amount: 1 }], [{ item: 'b', amount: 1 }]])
    const reduced = orders
      .reduce({ zero: () => 0, add: (sum, o) => sum + o.amount, merge: (a, b) => a * b })
      .into(api.writeResult(async () => {}))
    const rows = orders.into(api.append<Order>({ table: 't' }))
    const latest = orders.into(api.upsert({ table: 't', key: 'item' }))
    for (const other of [reduced, rows, latest]) {
      expect(await taskOf([other]).runAsOne(ranges, never)).toBeNull()
      expect(await taskOf([byItem, other]).runAsOne(ranges, never)).toBeNull()
    }
  })

  test('are refused when they are not what they are said to be', async () => {
    const [range] = rangesOf([[{ item: 'a', amount: 1 }]])
    if (!range) throw new Error('no range')
    const wrong = taskOf([byItem]).runAsOne([range, { ...range, records: 2 }], never)
    await expect(wrong).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
  })
})
