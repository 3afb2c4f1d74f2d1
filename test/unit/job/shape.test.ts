import { describe, expect, test } from 'vitest'
import { avg } from '../../../src/aggregation/avg.ts'
import { count } from '../../../src/aggregation/count.ts'
import { max, min } from '../../../src/aggregation/extreme.ts'
import { minBy } from '../../../src/aggregation/extreme-by.ts'
import { hopping } from '../../../src/aggregation/hopping.ts'
import { sum } from '../../../src/aggregation/sum.ts'
import { sumDecimal } from '../../../src/aggregation/sum-decimal.ts'
import { tumbling } from '../../../src/aggregation/tumbling.ts'
import { bytes } from '../../../src/decode/bytes.ts'
import { json } from '../../../src/decode/json.ts'
import { describeShapeChange, shapeOf, sinkTablesOf } from '../../../src/job/shape.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { append } from '../../../src/sink/append.ts'
import { merge } from '../../../src/sink/merge.ts'
import { upsert } from '../../../src/sink/upsert.ts'
import { write } from '../../../src/sink/write.ts'

interface Order {
  item: string
  amount: number
  at: string
}

const source = { kind: 'test', startFrom: 'earliest' } as const
const orders = from(source).decode(json<Order>())
const shape = (...pipelines: Pipeline[]) => shapeOf({ pipelines: pipelines.map(({ plan }) => plan) })

const keys = { item: (o: Order) => o.item, minute: tumbling('1 minute', (o: Order) => o.at) }
const aggregates = { n: count(), revenue: sumDecimal((o: Order) => o.amount, { scale: 2 }) }
const base = orders
  .groupBy(keys)
  .aggregate(aggregates)
  .into(merge({ table: 't' }))

describe('the shape', () => {
  test('is canonical JSON that later versions must be able to read', () => {
    expect(shape(base)).toBe(
      '{"version":1,"pipelines":[{"sink":"merge","table":"t",' +
        '"keys":[{"column":"item"},{"column":"minute","windowMs":60000}],' +
        '"aggregates":[{"column":"n","kind":"count"},{"column":"revenue","kind":"sumDecimal","scale":2}]}]}',
    )
  })

  test('does not change with functions, decoders, steps, the order of writing, or names in the code', () => {
    const same = [
      from(source)
        .decode((value) => ({ item: String(value?.length), amount: 1, at: '' }))
        .filter(() => true)
        .groupBy({ minute: tumbling('60 seconds', () => 0), item: () => 'x' })
        .aggregate({ revenue: sumDecimal(() => '1', { scale: 2 }), n: count() })
        .into(merge({ table: 't' })),
      orders
        .groupBy({ article: (o) => o.item, minute: keys.minute })
        .aggregate({ n: count(), money: aggregates.revenue })
        .into(merge({ table: 't', columns: { article: 'item', money: 'revenue' } })),
    ]
    for (const pipeline of same) expect(shape(pipeline)).toBe(shape(base))
    const other = from(source)
      .decode(bytes())
      .into(write(async () => {}))
    expect(shape(base, other)).toBe(shape(other, base))
  })

  const changed: [string, Pipeline, string][] = [
    [
      'a table',
      orders
        .groupBy(keys)
        .aggregate(aggregates)
        .into(merge({ table: 'u' })),
      'no longer: merge into t\n  - new: merge into u',
    ],
    [
      'a column',
      orders
        .groupBy(keys)
        .aggregate(aggregates)
        .into(merge({ table: 't', columns: { n: 'm' } })),
      "aggregate 'n' is gone (was kind count)",
    ],
    [
      'a key more',
      orders
        .groupBy({ ...keys, at: (o) => o.at })
        .aggregate(aggregates)
        .into(merge({ table: 't' })),
      "merge into t: key 'at' is new",
    ],
    [
      'a key less',
      orders
        .groupBy({ item: keys.item })
        .aggregate(aggregates)
        .into(merge({ table: 't' })),
      "key 'minute' is gone (was windowMs 60000)",
    ],
    [
      'a window',
      orders
        .groupBy({ ...keys, minute: tumbling('1 hour', (o) => o.at) })
        .aggregate(aggregates)
        .into(merge({ table: 't' })),
      "key 'minute' was windowMs 60000 and is windowMs 3600000",
    ],
    [
      'a hopping window',
      orders
        .groupBy({ ...keys, minute: hopping({ size: '1 minute', every: '5 seconds' }, (o: Order) => o.at) })
        .aggregate(aggregates)
        .into(merge({ table: 't' })),
      "key 'minute' was windowMs 60000 and is windowMs 60000, everyMs 5000",
    ],
    [
      'no window',
      orders
        .groupBy({ ...keys, minute: (o) => o.at })
        .aggregate(aggregates)
        .into(merge({ table: 't' })),
      "key 'minute' was windowMs 60000 and is plain",
    ],
    [
      'a scale',
      orders
        .groupBy(keys)
        .aggregate({ ...aggregates, revenue: sumDecimal(() => 1, { scale: 4 }) })
        .into(merge({ table: 't' })),
      "aggregate 'revenue' was kind sumDecimal, scale 2 and is kind sumDecimal, scale 4",
    ],
    [
      'a kind',
      orders
        .groupBy(keys)
        .aggregate({ ...aggregates, n: sum(() => 1) })
        .into(merge({ table: 't' })),
      "aggregate 'n' was kind count and is kind sum",
    ],
    ['a sink', orders.into(append<Order>({ table: 't' })), 'no longer: merge into t\n  - new: append into t'],
  ]

  test.each(changed)('changes with %s, and the difference is told', (_, pipeline, difference) => {
    expect(shape(pipeline)).not.toBe(shape(base))
    expect(describeShapeChange(shape(base), shape(pipeline))).toContain(difference)
  })

  test('avg is a decimal sum and a count of values, each with its column', () => {
    const averaged = orders
      .groupBy({ item: keys.item })
      .aggregate({ price: avg((o) => o.amount, { scale: 2 }) })
      .into(merge({ table: 't', columns: { price_sum: 'total' } }))
    expect(shape(averaged)).toContain(
      '"aggregates":[{"column":"price_count","kind":"countValues"},' +
        '{"column":"total","kind":"sumDecimal","scale":2}]',
    )
  })

  test('minBy names the column that decides', () => {
    const cheapest = minBy((o: Order) => o.item, { by: (o: Order) => o.amount })
    const chosen = (columns: object) =>
      shape(
        orders
          .groupBy({ item: keys.item })
          .aggregate({ a: cheapest, b: cheapest })
          .into(merge({ table: 't', columns })),
      )
    expect(chosen({ b_by: 'price' })).toContain(
      '"aggregates":[{"column":"a","kind":"minBy","by":"a_by"},{"column":"a_by","kind":"minBy.by"},' +
        '{"column":"b","kind":"minBy","by":"price"},{"column":"price","kind":"minBy.by"}]',
    )
    expect(chosen({ a_by: 'b_by', b_by: 'a_by' })).not.toBe(chosen({}))
  })

  test('min is not max', () => {
    const by = (fn: typeof min | typeof max) =>
      shape(
        orders
          .groupBy(keys)
          .aggregate({ x: fn((o: Order) => o.amount) })
          .into(merge({ table: 't' })),
      )
    expect(by(min)).not.toBe(by(max))
  })

  test('changes with the keys of upsert and with what its tombstones do', () => {
    const upserted = (options: object) =>
      shape(orders.into(upsert<Order, unknown>({ table: 't', key: 'item', ...options })))
    const plain = upserted({})
    expect(plain).toBe(
      '{"version":1,"pipelines":[{"sink":"upsert","table":"t","keys":[{"column":"item"}],"tombstones":"fail","columns":[]}]}',
    )
    const others = [
      { key: 'at' },
      { tombstones: 'skip' },
      { columns: { item: 'i' } },
      { columns: { at: 'a' } },
    ]
    expect(new Set([plain, ...others.map(upserted)]).size).toBe(5)
    expect(sinkTablesOf({ pipelines: [orders.into(upsert({ table: 't', key: 'item' })).plan] })).toEqual([
      't',
    ])
  })

  test('changes with the columns and coordinates of append', () => {
    const appended = (options: object) => shape(orders.into(append<Order>({ table: 't', ...options })))
    const plain = appended({})
    const renamed = appended({ columns: { item: 'article' } })
    const placed = appended({ meta: { offset: 'o', partition: 'p' } })
    expect(new Set([plain, renamed, placed, appended({ meta: { offset: 'p', partition: 'o' } })]).size).toBe(
      4,
    )
    expect(appended({ meta: { partition: 'p', offset: 'o' } })).toBe(placed)
    expect(describeShapeChange(plain, renamed)).toBe(
      "  - append into t: column 'article' is new (field item)",
    )
  })

  test('a column that is named like an inherited property changes nothing else', () => {
    const odd = orders
      .groupBy({ constructor: (o: Order) => o.item })
      .aggregate({ n: count() })
      .into(merge({ table: 't' }))
    expect(shape(odd)).toContain('"keys":[{"column":"constructor"}]')
  })
})

describe('the difference of shapes', () => {
  test('of pipelines that came and went names them', () => {
    const other = orders.into(write(async () => {}))
    expect(describeShapeChange(shape(base), shape(base, other))).toBe('  - new: write()')
    expect(describeShapeChange(shape(base, other), shape(base))).toBe('  - no longer: write()')
  })

  test('is never empty for texts that differ, also when a pipeline of the same name came twice', () => {
    const other = orders.into(write(async () => {}))
    expect(describeShapeChange(shape(other), shape(other, other))).not.toBe('')
  })

  test.each(['', 'no json', '{"version":2,"pipelines":[]}', '[]'])(
    'of a text that is no shape of this version (%s) says so',
    (text) => {
      expect(describeShapeChange(text, shape(base))).toContain('not one that this version knows')
    },
  )
})

test('sink tables are named once each, sorted; user code names none', () => {
  const pipelines = [
    orders.into(append<Order>({ table: 'b' })),
    orders.into(write(async () => {})),
    orders.into(append<Order>({ table: 'b' })),
    orders
      .groupBy(keys)
      .aggregate(aggregates)
      .into(merge({ table: 'a' })),
  ]
  expect(sinkTablesOf({ pipelines: pipelines.map(({ plan }) => plan) })).toEqual(['a', 'b'])
})
