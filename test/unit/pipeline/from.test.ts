import { describe, expect, test } from 'vitest'
import { avg } from '../../../src/aggregation/avg.ts'
import { count } from '../../../src/aggregation/count.ts'
import { maxBy } from '../../../src/aggregation/extreme-by.ts'
import { hopping } from '../../../src/aggregation/hopping.ts'
import { tumbling } from '../../../src/aggregation/tumbling.ts'
import { json } from '../../../src/decode/json.ts'
import { from } from '../../../src/pipeline/from.ts'
import { append } from '../../../src/sink/append.ts'
import { merge } from '../../../src/sink/merge.ts'
import { write, writeResult } from '../../../src/sink/write.ts'

interface Order {
  item: string
  amount: number
  at: string
}

const source = { kind: 'test', startFrom: 'earliest' } as const
const orders = from(source).decode(json<Order>())
const nothing = async () => {}

describe('the chain', () => {
  test('builds a plan with every step, key, window, aggregate and the sink', () => {
    const { plan } = orders
      .filter((o) => o.amount > 0)
      .map((o) => ({ ...o, cents: o.amount * 100 }))
      .flatMap((o) => [o, o])
      .groupBy({ item: (o) => o.item, minute: tumbling('1 minute', (o) => o.at) })
      .aggregate({ orders: count() })
      .into(merge({ table: 'orders_by_item', columns: { orders: 'n' } }))
    expect(plan.steps.map(({ kind }) => kind)).toEqual(['filter', 'map', 'flatMap'])
    expect(plan.terminal).toMatchObject({
      kind: 'aggregate',
      keys: [{ name: 'item' }, { name: 'minute', windowMs: 60_000 }],
      aggregates: [{ name: 'orders', fn: { kind: 'count' } }],
    })
    expect(plan.sink).toEqual({
      kind: 'merge',
      table: 'orders_by_item',
      columns: { orders: 'n' },
      createTable: null,
    })
    expect(plan.root.source).toBe(source)
  })

  test('avg is two aggregates in the plan, and its columns are renamed one by one', () => {
    const { plan } = orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ n: count(), price: avg((o) => o.amount, { scale: 2 }) })
      .into(merge({ table: 't', columns: { price_count: 'prices' } }))
    expect(plan.terminal).toMatchObject({
      aggregates: [
        { name: 'n', fn: { kind: 'count' } },
        { name: 'price_sum', fn: { kind: 'sumDecimal', scale: 2, mergeRule: 'add' } },
        { name: 'price_count', fn: { kind: 'countValues', mergeRule: 'add' } },
      ],
    })
  })

  test('maxBy is two aggregates in the plan, of which the second decides', () => {
    const { plan } = orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ price: maxBy((o) => o.amount, { by: (o) => new Date(o.at) }) })
      .into(merge({ table: 't' }))
    expect(plan.terminal).toMatchObject({
      aggregates: [
        { name: 'price', by: 'price_by', fn: { kind: 'maxBy', mergeRule: 'greatest' } },
        { name: 'price_by', fn: { kind: 'maxBy.by', mergeRule: 'greatest' } },
      ],
    })
  })

  test('a hopping window is a key with its length and its distance', () => {
    const { plan } = orders
      .groupBy({ from: hopping({ size: '1 hour', every: '5 minutes' }, (o) => o.at) })
      .aggregate({ n: count() })
      .into(merge({ table: 't' }))
    expect(plan.terminal).toMatchObject({
      keys: [{ name: 'from', windowMs: 3_600_000, everyMs: 300_000 }],
    })
  })

  test('a link that two pipelines begin with is not changed by either', () => {
    const positive = orders.filter((o) => o.amount > 0)
    const one = positive.map((o) => ({ item: o.item })).into(append({ table: 'a' }))
    const two = positive.into(write(nothing))
    expect(one.plan.steps.map(({ kind }) => kind)).toEqual(['filter', 'map'])
    expect(two.plan.steps.map(({ kind }) => kind)).toEqual(['filter'])
  })

  test('pipelines of one decode() share one root; of two decode() they do not', () => {
    const [one, two] = [orders.into(write(nothing)), orders.filter(() => true).into(write(nothing))]
    expect(one.plan.root).toBe(two.plan.root)
    const other = from(source).decode(json<Order>()).into(write(nothing))
    expect(other.plan.root).not.toBe(one.plan.root)
  })

  test('plans are frozen', () => {
    const { plan } = orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ n: count() })
      .into(merge({ table: 't' }))
    for (const part of [plan, plan.root, plan.steps, plan.terminal, plan.sink])
      expect(Object.isFrozen(part)).toBe(true)
  })
})

describe('what the types would refuse is refused when it is called', () => {
  const plain = orders as unknown as Record<
    string,
    (...args: unknown[]) => Record<string, (...args: unknown[]) => unknown>
  >
  const grouped = plain.groupBy?.({ item: (o: Order) => o.item })

  test.each<[string, () => unknown, RegExp]>([
    ['no source', () => from(undefined as never), /from needs a source/],
    [
      'an unknown option of decode',
      () => from(source).decode(json(), { keys: json() } as never),
      /decode has no option 'keys': its option is key; did you mean 'key'\?/,
    ],
    [
      'a key that is no decoder',
      () => from(source).decode(json(), { key: 'text' } as never),
      /decode's key needs/,
    ],
    [
      'no options of decode',
      () => from(source).decode(json(), null as never),
      /an options object .* got null/,
    ],
    ['no decoder', () => from(source).decode({} as never), /decode needs a decoder/],
    [
      'a schema of another version',
      () => from(source).decode({ '~standard': { version: 2 } } as never),
      /decode needs/,
    ],
    ['a filter that is no function', () => plain.filter?.(true), /filter needs a function/],
    ['a key that is no function', () => plain.groupBy?.({ item: 'item' }), /groupBy 'item' needs a function/],
    ['no key', () => plain.groupBy?.({}), /groupBy needs at least one/],
    ['keys in a Map', () => plain.groupBy?.(new Map()), /groupBy needs an object/],
    [
      'a literal __proto__',
      () => plain.groupBy?.({ __proto__: { item: (o: Order) => o.item } }),
      /groupBy needs an object/,
    ],
    [
      'a key named __proto__',
      () => plain.groupBy?.({ ['__proto__']: () => 1 }),
      /cannot use the name '__proto__'/,
    ],
    [
      'two hopping windows',
      () => {
        const window = hopping({ size: '1 hour', every: '5 minutes' }, (o: Order) => o.at)
        return plain.groupBy?.({ a: window, item: (o: Order) => o.item, b: window })
      },
      /one hopping window at most, but 'a' and 'b' are such keys/,
    ],
    [
      'an aggregate that is none',
      () => grouped?.aggregate?.({ n: count }),
      /aggregate 'n' needs an aggregate/,
    ],
    [
      'an aggregate named like a key',
      () => grouped?.aggregate?.({ item: count() }),
      /'item' has the name of a group key/,
    ],
    [
      'an avg whose column is a key',
      () => plain.groupBy?.({ x_sum: () => 1 }).aggregate?.({ x: avg((o: Order) => o.amount, { scale: 2 }) }),
      /'x_sum' has the name of a group key/,
    ],
    [
      'two aggregates of one column',
      () => grouped?.aggregate?.({ x_count: count(), x: avg((o: Order) => o.amount, { scale: 2 }) }),
      /two aggregates have the column 'x_count'/,
    ],
    [
      'merge of values',
      () => plain.into?.(merge({ table: 't' })),
      /takes append\(\) or upsert\(\) or write\(\) after values, but got merge/,
    ],
    ['no sink', () => plain.into?.(undefined), /but got something else/],
    [
      'append of aggregates',
      () =>
        orders
          .groupBy({ i: (o) => o.item })
          .aggregate({ n: count() })
          .into(append({ table: 't' }) as never),
      /takes merge\(\) or write\(\) after aggregate/,
    ],
    [
      'write of a reduce',
      () => orders.reduce({ zero: () => 0, add: (a) => a, merge: (a) => a }).into(write(nothing) as never),
      /takes writeResult\(\) after reduce/,
    ],
    [
      'columns of a field that does not exist',
      () =>
        orders
          .groupBy({ i: (o) => o.item })
          .aggregate({ n: count() })
          .into(merge({ table: 't', columns: { x: 'y' } as never })),
      /'columns' names 'x', but the row has i, n/,
    ],
    [
      'two fields in one column',
      () =>
        orders
          .groupBy({ i: (o) => o.item })
          .aggregate({ n: count() })
          .into(merge({ table: 't', columns: { n: 'i' } })),
      /two fields would be written to column 'i'/,
    ],
    ['a table without a name', () => merge({ table: '' }), /merge\(\): 'table' must be a name/],
    ['an unknown sink option', () => merge({ tabel: 't' } as never), /merge\(\): has no option 'tabel'/],
    [
      'an unknown meta field',
      () => append({ table: 't', meta: { broker: 'b' } as never }),
      /'meta' has no field 'broker'/,
    ],
    ['write without a function', () => write(undefined as never), /write\(\): needs a function/],
    ['writeResult without a function', () => writeResult({} as never), /writeResult\(\): needs a function/],
  ])('%s', (_, call, reason) => {
    expect(call).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.stringMatching(reason) }),
    )
  })
})
