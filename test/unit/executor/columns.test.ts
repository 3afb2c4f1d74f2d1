import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { count } from '../../../src/aggregation/count.ts'
import { sum } from '../../../src/aggregation/sum.ts'
import { sumDecimal } from '../../../src/aggregation/sum-decimal.ts'
import { tumbling } from '../../../src/aggregation/tumbling.ts'
import { fields } from '../../../src/decode/fields.ts'
import { boolean, decimal, integer, optional, text, timestamp } from '../../../src/fields/builders.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { merge } from '../../../src/sink/merge.ts'
import { expectSame, fast, outcome, records, taskOf } from './both-ways.ts'
import { rangeOf } from './ranges.ts'

/*
 * Adding up from bytes against calling the job's functions for every record, which is what it means.
 */

const source = { kind: 'test', startFrom: 'earliest' } as const
const order = {
  item: text(),
  amount: decimal(2),
  quantity: integer(),
  big: optional(decimal(0, { precision: 12 })),
  gift: boolean(),
}
const orders = from(source).decode(fields(order))
const into = merge({ table: 't' })
const never = new AbortController().signal

const byItem = orders
  .groupBy({ item: (o) => o.item })
  .aggregate({
    orders: count(),
    revenue: sumDecimal((o) => o.amount, { scale: 2 }),
    pieces: sum((o) => o.quantity),
    fine: sumDecimal((o) => o.amount, { scale: 4 }),
  })
  .into(into)
const byThree = orders
  .groupBy({ quantity: (o) => o.quantity, item: ({ item }) => item, gift: (o) => o.gift })
  .aggregate({ orders: count(), revenue: sumDecimal((o) => o.amount, { scale: 2 }) })
  .into(into)

const orderText = (item: string, amount: string, quantity = '1', more = '') =>
  `{"item":${item},"amount":${amount},"quantity":${quantity},"gift":true${more}}`

test('which pipelines are added up from bytes', () => {
  expect(fast(byItem)).not.toBeNull()
  expect(fast(byThree)).not.toBeNull()
  const grouped = orders.groupBy({ item: (o) => o.item })
  const others: Pipeline[] = [
    orders
      .filter((o) => o.gift)
      .groupBy({ item: (o) => o.item })
      .aggregate({ n: count() })
      .into(into),
    orders
      .groupBy({ item: (o) => o.item || 'none' })
      .aggregate({ n: count() })
      .into(into),
    orders
      .groupBy({ item: (o) => o.item, topic: (_, meta) => meta.topic })
      .aggregate({ n: count() })
      .into(into),
    grouped.aggregate({ n: sumDecimal((o) => o.amount || 1, { scale: 2 }) }).into(into),
    grouped.aggregate({ n: sum((o) => (o.quantity === 7 ? 0 : o.quantity)) }).into(into),
    from(source)
      .decode(fields({ at: timestamp() }))
      .groupBy({ minute: tumbling('1 minute', (o) => o.at) })
      .aggregate({ n: count() })
      .into(into),
  ]
  for (const pipeline of others) expect(fast(pipeline)).toBeNull()
})

describe('comes to the same as the functions', { timeout: 60_000 }, () => {
  test.each<[string, string[]]>([
    ['an order', [orderText('"tea"', '19.75')]],
    ['one item in several writings', ['"tea"', '"t\\u0065a"', '"tea"'].map((item) => orderText(item, '1'))],
    [
      'numbers in several writings',
      ['1', '1.0', '1.00', '1e0', '10e-1', '"1"', '-0', '-0.00'].map((n) => orderText('"a"', n)),
    ],
    [
      'integers in several writings',
      ['1', '1.0', '1e0', '-0', '9007199254740991'].map((n) => orderText('"a"', '1', n)),
    ],
    ['text beyond ASCII', ['"é"', '"€"', '"😀"', '"\\ud83d\\ude00"'].map((item) => orderText(item, '2.5'))],
    [
      'long numbers',
      ['99999999999999.99', '9999999999999.99', '-9999999999999.99'].map((n) => orderText('"a"', n)),
    ],
    [
      'an optional field',
      [orderText('"a"', '1', '1', ',"big":5'), orderText('"a"', '1', '1', ',"big":null')],
    ],
    [
      'one name twice',
      ['{"item":"a","amount":1,"item":"b","quantity":2,"amount":3,"gift":false,"gift":true}'],
    ],
    ['many keys', Array.from({ length: 1_000 }, (_, n) => orderText(`"${n}"`, '0.01'))],
    // Pairs that FNV-1a of 32 bits does not tell apart.
    [
      'keys of one hash',
      ['costarring', 'liquid', 'declinate', 'macallums', 'altarage', 'zinke'].map((item) =>
        orderText(`"${item}"`, '1'),
      ),
    ],
    ['an empty item', [orderText('""', '1')]],
    [
      'other texts between',
      [orderText('"a"', '1'), ' { "gift":false, "item" : "a", "x":[{}], "amount":2, "quantity":3 } '],
    ],
  ])('%s', async (_, values) => {
    for (const pipeline of [byItem, byThree])
      await expectSame(pipeline, [values, values, [...values, ...values]])
  })

  test.each<[string, string | null]>([
    ['no value', null],
    ['no JSON', '{"item":"a"'],
    ['a missing key', '{"amount":1,"quantity":1,"gift":true}'],
    ['half a pair as key', orderText('"\\ud800"', '1')],
    ['a number as key', orderText('1', '1')],
    ['too many digits', orderText('"a"', '1.005')],
    ['a number that is text', orderText('"a"', '"x"')],
    ['no integer', orderText('"a"', '1', '1.5')],
    ['a missing number', '{"item":"a","quantity":1,"gift":true}'],
    ['a bad field that nothing uses', orderText('"a"', '1', '1', ',"gift":"yes"')],
    ['a bad optional field that nothing uses', orderText('"a"', '1', '1', ',"big":"yes"')],
    ['more digits than the precision', orderText('"a"', '1', '1', ',"big":1234567890123')],
  ])('a record fails in the same words: %s', async (_, bad) => {
    const good = [orderText('"a"', '1'), orderText('"b"', '2')]
    for (const pipeline of [byItem, byThree])
      await expectSame(pipeline, [good, [...good, bad, ...good], good])
    expect(await outcome(taskOf(byItem, 'fast'), records([...good, bad]))).toHaveProperty('message')
  })

  test('sums beyond what a number holds', async () => {
    const large = Array.from({ length: 30 }, (_, n) =>
      orderText(`"${n % 2}"`, '9999999999999.99', '999999999999999'),
    )
    await expectSame(byItem, [Array.from({ length: 40 }, () => large).flat()])
    // What one number holds of them is not enough, and no term is too large for the short way.
    const pieces = Array.from({ length: 600 }, (_, n) => orderText(`"${n % 2}"`, '1', '999999999999999'))
    await expectSame(byItem, [pieces])
  })

  test('a field of more digits after the point than a short way can tell', async () => {
    const long = from(source)
      .decode(fields({ item: text(), amount: decimal(20) }))
      .groupBy({ item: (o) => o.item })
      .aggregate({ revenue: sumDecimal((o) => o.amount, { scale: 2 }) })
      .into(into)
    expect(fast(long)).toBeNull()
    for (const amount of ['5', '0.5', '0.00000000000000000001', '0'])
      await expectSame(long, [[`{"item":"a","amount":${amount}}`]])
  })

  test('precision is held to', async () => {
    const narrow = from(source)
      .decode(fields({ item: text({ maxLength: 3 }), amount: decimal(2, { precision: 4 }) }))
      .groupBy({ item: (o) => o.item })
      .aggregate({
        revenue: sumDecimal((o) => o.amount, { scale: 2 }),
        rough: sumDecimal((o) => o.amount, { scale: 1 }),
      })
      .into(into)
    expect(fast(narrow)).not.toBeNull()
    for (const amount of ['99.9', '-99.9', '99.99', '100', '99.90', '1e1', '0.10', '0.05']) {
      await expectSame(narrow, [[`{"item":"abc","amount":${amount}}`]])
    }
    await expectSame(narrow, [['{"item":"abcd","amount":1}']])
  })

  test('random orders', async () => {
    const value = fc.record({
      item: fc.oneof(
        fc.constantFrom('"a"', '"b"', '"\\u0061"', '"é"', 'null', '7'),
        fc.string().map((s) => JSON.stringify(s)),
      ),
      amount: fc.oneof(
        fc.integer({ min: -10_000, max: 10_000 }).map((n) => String(n / 100)),
        fc.constantFrom('1e2', '"3.5"', '0.001'),
      ),
      quantity: fc.oneof(fc.integer().map(String), fc.constantFrom('1.0', '1.5')),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(value, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 }),
        async (ranges) => {
          const texts = ranges.map((range) => range.map((o) => orderText(o.item, o.amount, o.quantity)))
          await expectSame(byItem, texts)
          await expectSame(byThree, texts)
        },
      ),
      { numRuns: 100, seed: 3 },
    )
  }, 60_000)
})

test('records that fail are left out of the groups, and nothing else is', async () => {
  const values = [
    orderText('"a"', '1'),
    orderText('"a"', '1.005'),
    orderText('"b"', '2'),
    '{',
    orderText('"a"', '3'),
  ]
  const failed: number[] = []
  const result = await taskOf(byItem, 'fast').run(rangeOf(records(values)), never, {
    leaveOut: new Set([2]),
    onFailure: (_segment, i) => failed.push(i),
  })
  const [partial] = result.partials
  expect(failed).toEqual([1, 3])
  expect(partial?.kind === 'groups' && [...partial.groups.values()]).toEqual([
    { keys: ['a'], states: [2, 400, 2, 40_000] },
  ])
})

test('more keys than are kept between ranges, with keys of one after the other', async () => {
  const many = (from: number) =>
    Array.from({ length: 30_000 }, (_, n) => orderText(`"item-${from + n}"`, '0.01'))
  const task = taskOf(byItem, 'fast')
  for (let range = 0; range < 10; range++) {
    const result = (await outcome(task, records(many(range * 30_000)))) as { groups: Map<string, unknown> }
    expect(result.groups.size).toBe(30_000)
    expect(result.groups.get(`item-${range * 30_000}`)).toEqual({
      keys: [`item-${range * 30_000}`],
      states: [1, 1, 1, 100],
    })
  }
}, 60_000)
