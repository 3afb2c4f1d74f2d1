import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { count } from '../../../src/aggregation/count.ts'
import { max } from '../../../src/aggregation/extreme.ts'
import { hopping } from '../../../src/aggregation/hopping.ts'
import { sum } from '../../../src/aggregation/sum.ts'
import { sumDecimal } from '../../../src/aggregation/sum-decimal.ts'
import { json } from '../../../src/decode/json.ts'
import { JsonBlockParser } from '../../../src/decode/json-block.ts'
import { nullable } from '../../../src/decode/nullable.ts'
import { ColumnCollector } from '../../../src/executor/column-collector.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { merge } from '../../../src/sink/merge.ts'
import { accepted, bytesOf, either, notUtf8, refused } from '../../support/json-cases.ts'
import { expectSame, fast, outcome, records, taskOf } from './both-ways.ts'

/*
 * Nothing is declared of what json() gives: the names that the job's functions read are looked for in the bytes.
 */

interface Order {
  readonly item: string
  readonly amount: number
  readonly quantity: number
  readonly at: number
}

const source = { kind: 'test', startFrom: 'earliest' } as const
const into = merge({ table: 't' })
const orders = from(source).decode(json<Order>())

const byItem = orders
  .groupBy({ item: (o) => o.item })
  .aggregate({
    orders: count(),
    revenue: sumDecimal((o) => o.amount, { scale: 2 }),
    pieces: sum((o) => o.quantity),
  })
  .into(into)
const byTwo = orders
  .groupBy({ quantity: ({ quantity }) => quantity, item: (o) => o.item })
  .aggregate({ orders: count(), fine: sumDecimal((o) => o.amount, { scale: 24 }) })
  .into(into)
/** Names that every object has. */
const inherited = from(source)
  .decode(json<{ toString: string; __proto__: number }>())
  .groupBy({ k: (o) => o.toString })
  // biome-ignore lint/suspicious/noProto: a record may have a field of that name
  .aggregate({ n: sum((o) => o.__proto__) })
  .into(into)

const text = (item: string, amount = '1.5', quantity = '1', more = '') =>
  `{"item":${item},"user":"u","amount":${amount},"quantity":${quantity}${more}}`

test('which pipelines are added up from bytes', () => {
  for (const pipeline of [byItem, byTwo, inherited]) expect(fast(pipeline)).not.toBeNull()
  const counted = (decoded: typeof orders) =>
    decoded.groupBy({ item: (o) => o.item }).aggregate({ n: count() })
  const others: Pipeline[] = [
    // A number that nobody reads can fail the record.
    counted(from(source).decode(json<Order>({ numbers: 'exact' }))).into(into),
    counted(from(source).decode({ ...json<Order>(), decode: () => ({ item: 'a' }) as Order })).into(into),
    counted(orders.filter((o) => o.amount > 0)).into(into),
    from(source)
      .decode(nullable(json<Order>()))
      .groupBy({ item: (o) => (o as Order).item })
      .aggregate({ n: count() })
      .into(into),
    orders
      .groupBy({ item: (o) => o.item ?? 'none' })
      .aggregate({ n: count() })
      .into(into),
    orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ n: max((o) => o.amount) })
      .into(into),
    orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ n: sum((o) => o.quantity), twice: sum((o) => o.quantity * 2) })
      .into(into),
    orders
      .groupBy({ at: hopping({ size: '2 minutes', every: '1 minute' }, (o) => o.at) })
      .aggregate({ n: count() })
      .into(into),
  ]
  for (const pipeline of others) expect(fast(pipeline)).toBeNull()
})

describe('comes to the same as the functions', { timeout: 60_000 }, () => {
  test.each<[string, (string | null)[]]>([
    ['orders', [text('"tea"'), text('"rum"', '19.75', '3'), text('"tea"', '0.25')]],
    [
      'texts in several writings',
      ['"tea"', '"t\\u0065a"', '"é"', '"\\u00e9"', '"😀"'].map((item) => text(item)),
    ],
    ['an empty text', [text('""')]],
    [
      'numbers as keys',
      ['1', '1.0', '1e0', '-0', '0', '1e400', '1.5', '9007199254740993'].map((q) => text('"a"', '1', q)),
    ],
    ['text and numbers as keys of one column', [text('"1"'), text('1'), text('"1"')]],
    ['true, false and null as keys', ['true', 'false', 'null'].map((item) => text(item))],
    ['objects and arrays as keys', ['{}', '[]', '[1]', '{"a":1}'].map((item) => text(item))],
    ['a key that is missing', ['{"amount":1,"quantity":1}']],
    [
      'amounts',
      ['1', '1.0', '1.50', '-0', '-0.00', '1e0', '10e-1', '15e1', '0.5'].map((a) => text('"a"', a)),
    ],
    [
      'amounts that fail',
      ['1.005', '"1"', '"x"', 'null', 'true', '{}', '1e-3', '1e400'].map((a) => text('"a"', a)),
    ],
    ['an amount that is missing', ['{"item":"a","quantity":1}']],
    [
      'long amounts',
      [
        '9999999999999.99',
        '99999999999999.99',
        '123456789012345',
        '1234567890123456',
        '0.123456789012345',
      ].map((a) => text('"a"', a)),
    ],
    [
      'quantities',
      ['0', '-7', '1.0', '1e2', '1.5', '9007199254740991', '9007199254740993', '1e15'].map((q) =>
        text('"a"', '1', q),
      ),
    ],
    [
      'one name twice',
      [
        '{"item":"a","amount":1,"item":"b","quantity":2,"amount":3}',
        '{"item":"a","amount":"x","amount":1,"quantity":1}',
      ],
    ],
    ['names with escapes', ['{"\\u0069tem":"a","amount":1,"quantity":1}']],
    ['what is no object', ['null', '[]', '"item"', '7', '', ' ', '{}']],
    ['no value', [null]],
    ['__proto__ among the names', [text('"a"', '1', '1', ',"__proto__":{"item":"b"}')]],
  ])('%s', async (_, values) => {
    const good = [text('"a"'), text('"b"', '2')]
    for (const pipeline of [byItem, byTwo, inherited]) {
      await expectSame(pipeline, [values, good, [...good, ...values, ...good]])
      for (const value of values) await expectSame(pipeline, [[value], [...good, value]])
    }
  })

  test('names that every object has', async () => {
    for (const value of [
      '{"toString":"a","__proto__":1}',
      '{"toString":"a"}',
      '{"__proto__":1}',
      '{"toString":"a","__proto__":{}}',
    ])
      await expectSame(inherited, [[value], ['{"toString":"a","__proto__":2}', value]])
    expect(await outcome(taskOf(inherited, 'fast'), records(['{"__proto__":1}']))).toHaveProperty('message')
  })

  test('every step of JSON, as an item, as an amount, and beside them', async () => {
    for (const each of [...accepted, ...refused, ...notUtf8, ...either]) {
      if (each[0] === 'depth 5,000') continue
      const bytes = bytesOf(each)
      const places = [
        '{"item":@,"amount":1,"quantity":1}',
        '{"item":"a","amount":@,"quantity":1}',
        '{"x":@,"item":"a","amount":1,"quantity":1}',
      ]
      for (const place of places) {
        const [before = '', after = ''] = place.split('@')
        const value = Buffer.concat([Buffer.from(before), bytes, Buffer.from(after)])
        for (const pipeline of [byItem, byTwo]) await expectSame(pipeline, [[value], [text('"a"'), value]])
      }
    }
  })

  test('records of which most are left to the functions', async () => {
    const odd = Array.from({ length: 3_000 }, (_, n) => text(`"${n % 7}"`, n % 10 === 0 ? '1' : '1e1'))
    await expectSame(byItem, [odd, odd.slice(0, 600)])
  })

  test('random orders', async () => {
    const value = fc.record({
      item: fc.oneof(
        fc.constantFrom('"a"', '"b"', '"\\u0061"', '"é"', '"\\ud800"', '"\\u0000"'),
        fc.string({ unit: 'binary' }).map((s) => JSON.stringify(s)),
      ),
      amount: fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: -10_000, max: 10_000 }).map((n) => String(n / 100)) },
        fc.double().map((n) => JSON.stringify(n)),
        fc.constantFrom('1e2', '0.001', '"3.5"'),
      ),
      quantity: fc.oneof(
        { weight: 9, arbitrary: fc.integer().map(String) },
        fc.constantFrom('1.0', '1.5', 'null'),
      ),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(value, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 }),
        async (ranges) => {
          const texts = ranges.map((range) => range.map((o) => text(o.item, o.amount, o.quantity)))
          await expectSame(byItem, texts)
          await expectSame(byTwo, texts)
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('how many records are read in vain', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  const many = (amountOf: (n: number) => string) =>
    records(Array.from({ length: 2_000 }, (_, n) => text(`"${n % 7}"`, amountOf(n))))
  const good = many(() => '1')
  /** sumDecimal takes text, which is not added up from bytes. */
  const odd = many(() => '"1"')

  async function readingOf(task: ReturnType<typeof taskOf>, range: typeof good) {
    const add = vi.spyOn(ColumnCollector.prototype, 'add')
    const parse = vi.spyOn(JsonBlockParser.prototype, 'parse')
    expect(await outcome(task, range)).toHaveProperty('seen', range.length)
    const reading = {
      read: add.mock.calls.length,
      taken: add.mock.results.filter(({ value }) => value === true).length,
      blocks: parse.mock.calls.length,
    }
    vi.restoreAllMocks()
    return reading
  }

  test('a block of a range at most, where none is taken; what follows is parsed in blocks', async () => {
    const reading = await readingOf(taskOf(byItem, 'fast'), odd)
    expect(reading).toEqual({ read: 256, taken: 0, blocks: 7 })
  })

  test('all of them where a fifth is refused', async () => {
    const range = many((n) => (n % 5 === 0 ? '"1"' : '1'))
    expect(await readingOf(taskOf(byItem, 'fast'), range)).toEqual({ read: 2_000, taken: 1_600, blocks: 0 })
  })

  test('the next range is read anew', async () => {
    const task = taskOf(byItem, 'fast')
    await readingOf(task, odd)
    expect(await readingOf(task, good)).toEqual({ read: 2_000, taken: 2_000, blocks: 0 })
  })
})
