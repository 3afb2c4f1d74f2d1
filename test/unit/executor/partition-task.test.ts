import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { count } from '../../../src/aggregation/count.ts'
import { hopping } from '../../../src/aggregation/hopping.ts'
import { sum } from '../../../src/aggregation/sum.ts'
import { sumDecimal } from '../../../src/aggregation/sum-decimal.ts'
import { tumbling } from '../../../src/aggregation/tumbling.ts'
import type { Decoder } from '../../../src/decode/decoder.ts'
import { fields } from '../../../src/decode/fields.ts'
import { json } from '../../../src/decode/json.ts'
import { string } from '../../../src/decode/string.ts'
import { compilePartitionTask } from '../../../src/executor/partition-task.ts'
import { text } from '../../../src/fields/builders.ts'
import type { RecordMeta } from '../../../src/model/record-meta.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { type Clock, systemClock } from '../../../src/runtime/clock.ts'
import { append } from '../../../src/sink/append.ts'
import { merge } from '../../../src/sink/merge.ts'
import { write, writeResult } from '../../../src/sink/write.ts'
import { segmentFromRecords } from '../../../src/source/record-segment.ts'
import type { FetchedRange } from '../../../src/source/source.ts'
import { jsonRecords, rangeOf } from './ranges.ts'

interface Order {
  item: string
  amount: number
  at?: string
}

const source = { kind: 'test', startFrom: 'earliest' } as const
const orders = from(source).decode(json<Order>())
const nothing = async () => {}
const never = new AbortController().signal

function run(
  pipelines: Pipeline | Pipeline[],
  fetched: FetchedRange,
  signal = never,
  clock: Clock = systemClock,
) {
  const plans = [pipelines].flat().map(({ plan }) => plan)
  const [first] = plans
  if (!first) throw new Error('no pipeline')
  return compilePartitionTask(first.root, plans, clock).run(fetched, signal)
}

async function rowsOf(pipeline: Pipeline, fetched: FetchedRange): Promise<unknown[]> {
  const [partial] = (await run(pipeline, fetched)).partials
  return partial?.kind === 'rows' ? partial.rows : []
}

/** States by keys. */
async function groupsOf(pipeline: Pipeline, fetched: FetchedRange) {
  const [partial] = (await run(pipeline, fetched)).partials
  if (partial?.kind !== 'groups') throw new Error('no groups')
  return [...partial.groups.values()].map(({ keys, states }) => [...keys, ...states])
}

const byItem = orders
  .groupBy({ item: (o) => o.item })
  .aggregate({ n: count(), cents: sum((o) => o.amount) })
  .into(merge({ table: 't' }))

describe('a partition task', () => {
  test('gives groups with keys and states, and what the range was', async () => {
    const fetched = rangeOf(
      jsonRecords([
        { item: 'a', amount: 1 },
        { item: '__proto__', amount: 2 },
        { item: 'a', amount: 3 },
      ]),
    )
    const { partials, computeMs, ...rest } = await run(byItem, fetched)
    expect(computeMs).toBeGreaterThanOrEqual(0)
    expect(rest).toEqual({
      range: fetched.range,
      records: 3,
      deadLetters: [],
      digest: null,
      lastOffset: fetched.range.until - 1n,
      bytes: fetched.bytes,
      leaderEpoch: 3,
    })
    expect(partials).toEqual([
      {
        kind: 'groups',
        groups: new Map([
          ['a', { keys: ['a'], states: [2, 4] }],
          ['__proto__', { keys: ['__proto__'], states: [1, 2] }],
        ]),
      },
    ])
  })

  test('adds a record to every hopping window that holds it, beside the other keys', async () => {
    const pipeline = orders
      .groupBy({
        item: (o) => o.item,
        from: hopping({ size: '2 minutes', every: '1 minute' }, (o) => o.amount * 1_000),
        late: (o) => o.amount > 100,
      })
      .aggregate({ n: count(), amount: sum((o) => o.amount) })
      .into(merge({ table: 't' }))
    const fetched = rangeOf(
      jsonRecords([
        { item: 'a', amount: 130 },
        { item: 'a', amount: 179 },
        { item: 'b', amount: 180 },
        { item: 'a', amount: 60 },
      ]),
    )
    expect(await groupsOf(pipeline, fetched)).toEqual([
      ['a', new Date(120_000), true, 2, 309],
      ['a', new Date(60_000), true, 2, 309],
      ['b', new Date(180_000), true, 1, 180],
      ['b', new Date(120_000), true, 1, 180],
      ['a', new Date(60_000), false, 1, 60],
      ['a', new Date(0), false, 1, 60],
    ])
  })

  test('runs steps in order, for records of every slice', async () => {
    const pipeline = orders
      .filter((o) => o.amount > 1)
      .flatMap((o) => [o.amount, o.amount * 10])
      .filter((n) => n !== 3)
      .map((n) => `${n}`)
      .into(write(nothing))
    const first = segmentFromRecords(
      'orders',
      0,
      jsonRecords([{ amount: 9 }, { amount: 2 }, { amount: 1 }], 5),
    )
    const second = segmentFromRecords('orders', 0, jsonRecords([{ amount: 3 }], 20))
    const fetched: FetchedRange = {
      ...rangeOf([]),
      range: { topic: 'orders', partition: 0, from: 6n, until: 30n },
      records: 3,
      slices: [
        { segment: first, begin: 1, end: 3 },
        { segment: second, begin: 0, end: 1 },
      ],
    }
    expect(await rowsOf(pipeline, fetched)).toEqual(['2', '20', '30'])
  })

  test('decodes a record once for all pipelines', async () => {
    let decoded = 0
    const values = from(source).decode((bytes) => {
      decoded += 1
      return Buffer.from(bytes ?? []).toString()
    })
    const [all, some] = [values.into(write(nothing)), values.filter((v) => v === 'b').into(write(nothing))]
    const { partials } = await run(
      [all, some],
      rangeOf([
        { offset: 0, value: 'a' },
        { offset: 1, value: 'b' },
      ]),
    )
    expect(decoded).toBe(2)
    expect(partials).toMatchObject([{ rows: ['a', 'b'] }, { rows: ['b'] }])
  })

  test('tells functions about their record', async () => {
    const seen: RecordMeta[] = []
    const pipeline = orders
      .filter((_, meta) => {
        seen.push(meta)
        return true
      })
      .into(write(nothing))
    await run(
      pipeline,
      rangeOf(
        [
          { offset: 5, value: '{}', key: 'k', timestampMs: 1234.5, headers: [['h', 'v']] },
          { offset: 2 ** 30, value: '{}' },
        ],
        7,
      ),
    )
    const told = seen.map(({ topic, partition, offset, timestampMs, key, headers }) => ({
      topic,
      partition,
      offset,
      timestampMs,
      key: key && Buffer.from(key).toString(),
      headers: [...headers].map(([name, value]) => [name, Buffer.from(value ?? []).toString()]),
    }))
    expect(told).toEqual([
      { topic: 'orders', partition: 7, offset: 5n, timestampMs: 1234.5, key: 'k', headers: [['h', 'v']] },
      { topic: 'orders', partition: 7, offset: 2n ** 30n, timestampMs: 0, key: null, headers: [] },
    ])
  })

  test('groups by several keys of every type as a nested map would', async () => {
    const pipeline = orders
      .groupBy({
        item: (o) => o.item,
        minute: tumbling('1 minute', (o) => o.at ?? ''),
        large: (o) => o.amount > 5,
        amount: (o) => o.amount,
        big: (o) => BigInt(o.amount),
      })
      .aggregate({ n: count() })
      .into(merge({ table: 't' }))
    const order = fc.record({
      item: fc.constantFrom('a', 'b', 'ab', '', 'a\0', '1'),
      amount: fc.integer({ min: 0, max: 3 }),
      at: fc.integer({ min: -3, max: 3 }).map((n) => new Date(n * 30_000).toISOString()),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(order), async (values) => {
        const expected: Record<string, number> = {}
        for (const { item, amount, at } of values) {
          const minute = Math.floor(Date.parse(at) / 60_000) * 60_000
          const key = JSON.stringify([item, minute, amount])
          expected[key] = (expected[key] ?? 0) + 1
        }
        const found = (await groupsOf(pipeline, rangeOf(jsonRecords(values)))).map(
          ([item, minute, , amount, , n]) => [JSON.stringify([item, (minute as Date).getTime(), amount]), n],
        )
        expect(found).toHaveLength(Object.keys(expected).length)
        expect(Object.fromEntries(found)).toEqual(expected)
      }),
    )
  })

  test('-0 and 0 are one group, whose key is 0', async () => {
    const pipeline = orders
      .groupBy({ amount: (o) => o.amount })
      .aggregate({ n: count() })
      .into(merge({ table: 't' }))
    const fetched = rangeOf([
      { offset: 0, value: '{"amount":-0}' },
      { offset: 1, value: '{"amount":0}' },
    ])
    expect(await groupsOf(pipeline, fetched)).toEqual([[0, 2]])
  })

  test('folds with reduce from a zero of its own per range', async () => {
    const pipeline = orders
      .reduce({
        zero: () => new Map<string, number>(),
        add: (totals, o) => totals.set(o.item, (totals.get(o.item) ?? 0) + o.amount),
        merge: (a) => a,
      })
      .into(writeResult(nothing))
    const task = compilePartitionTask(pipeline.plan.root, [pipeline.plan], systemClock)
    const fetched = rangeOf(jsonRecords([{ item: 'a', amount: 1 }]))
    const results = [await task.run(fetched, never), await task.run(fetched, never)]
    for (const { partials } of results)
      expect(partials).toEqual([{ kind: 'reduced', value: new Map([['a', 1]]) }])
  })

  test('keeps a plain origin of each row where the sink writes it, and none elsewhere', async () => {
    const fetched = rangeOf(jsonRecords([{ item: 'a' }], 4))
    const withMeta = orders.into(append<Order>({ table: 't', meta: { offset: 'o' } }))
    const [partial] = (await run(withMeta, fetched)).partials
    expect(structuredClone(partial)).toEqual({
      kind: 'rows',
      rows: [{ item: 'a' }],
      metas: [{ topic: 'orders', partition: 0, offset: 4n, timestampMs: 0 }],
    })
    expect((await run(orders.into(append<Order>({ table: 't' })), fetched)).partials).toMatchObject([
      { metas: null },
    ])
  })

  test('a range without visible records gives empty partial results', async () => {
    const empty: FetchedRange = { ...rangeOf([]), records: 0, slices: [] }
    expect((await run(byItem, empty)).partials).toEqual([{ kind: 'groups', groups: new Map() }])
  })
})

describe('a schema', () => {
  /** A schema that is a function too, as those of some libraries are. */
  const schema = Object.assign(() => 'not called', {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) => {
        const { amount } = value as { amount: unknown }
        return typeof amount === 'number'
          ? { value: { cents: amount * 100 } }
          : { issues: [{ message: 'is no number', path: ['amount'] }] }
      },
    },
  })
  const pipeline = from(source)
    .decode(schema)
    .map(({ cents }) => cents)
    .into(write(nothing))

  test('decides what the job gets', async () => {
    expect(await rowsOf(pipeline, rangeOf(jsonRecords([{ amount: 2 }, { amount: 3 }])))).toEqual([200, 300])
  })

  test('that refuses a value fails its record, with path and message', async () => {
    const fetched = rangeOf([
      { offset: 0, value: '{"amount":2}' },
      { offset: 1, value: '{"amount":"2"}' },
    ])
    await expect(run(pipeline, fetched)).rejects.toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      record: { topic: 'orders', partition: 0, offset: 1n },
      message: expect.stringMatching(
        /^decoder 'json, test schema' failed at orders\/0 offset 1: .*: amount: is no number/,
      ),
    })
  })
})

describe('a key decoder', () => {
  const keyed = from(source).decode(json<number>(), { key: string() })
  const fetched = (...keys: (string | Uint8Array | null)[]) =>
    rangeOf(keys.map((key, i) => ({ offset: i + 5, key, value: '1' })))

  test('decides what meta.key is in every function, and leaves the decoder of values the bytes', async () => {
    const seen: unknown[] = []
    const pipeline = from(source)
      .decode((_, meta) => meta.key?.length, { key: string() })
      .filter((_, meta) => meta.key !== 'b')
      .map((length, meta) => ({ length, key: meta.key, topic: meta.topic }))
      .into(write(nothing))
    seen.push(...(await rowsOf(pipeline, fetched('aé', 'b'))))
    expect(seen).toEqual([{ length: 3, key: 'aé', topic: 'orders' }])
    const lengths = keyed.groupBy({ key: (_, meta) => meta.key }).aggregate({
      n: sum((_, meta) => meta.key.length),
    })
    expect(await groupsOf(lengths.into(merge({ table: 't' })), fetched('aa', 'b', 'aa'))).toEqual([
      ['aa', 4],
      ['b', 1],
    ])
  })

  test.each<[string, Pipeline, string | Uint8Array | null, RegExp]>([
    [
      'without a key',
      keyed.into(write(nothing)),
      null,
      /^key decoder 'string' failed at orders\/0 offset 6: the record has no key \(null\): decode keys with nullable/,
    ],
    [
      'with a key that is no text, though nobody looks at it',
      keyed.filter(() => false).into(write(nothing)),
      Buffer.from([0xff]),
      /^key decoder 'string' failed at orders\/0 offset 6: the bytes are not valid UTF-8/,
    ],
    [
      'for which it gives nothing',
      from(source)
        .decode(json(), { key: (key) => key?.[1] })
        .into(write(nothing)),
      'k',
      /^key decoder 'function' failed at orders\/0 offset 6: it gave undefined: give null/,
    ],
    [
      'for which it gives a promise',
      from(source)
        .decode(json(), { key: async (key) => (key?.[0] === 107 ? 1 : 2) })
        .into(write(nothing)),
      'k',
      /^key decoder 'function' failed at orders\/0 offset 5: it returned a Promise/,
    ],
  ])('fails the record %s', async (_, pipeline, key, message) => {
    await expect(run(pipeline, fetched('good', key))).rejects.toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      message: expect.stringMatching(message),
    })
  })
})

describe('a function that fails', () => {
  const fail = (): never => {
    throw new TypeError('no such thing')
  }
  const later = async () => true
  const grouped = orders.groupBy({ item: (o) => o.item })
  function* half() {
    yield 1
    fail()
  }

  test.each<[string, Pipeline, RegExp]>([
    [
      'filter',
      orders.filter(fail).into(write(nothing)),
      /^filter \(step 1\) failed at orders\/0 offset 1: TypeError: no such thing/,
    ],
    [
      'map',
      orders
        .map((o) => o)
        .map(fail)
        .into(write(nothing)),
      /^map \(step 2\) failed/,
    ],
    ['flatMap', orders.flatMap(fail).into(write(nothing)), /^flatMap \(step 1\) failed/],
    ['a generator half-way', orders.flatMap(half).into(write(nothing)), /^flatMap \(step 1\) failed/],
    [
      'a step behind flatMap',
      orders
        .flatMap((o) => [o])
        .map(fail)
        .into(write(nothing)),
      /^map \(step 2\) failed/,
    ],
    [
      'flatMap to nothing',
      orders.flatMap(() => 5 as never).into(write(nothing)),
      /^flatMap \(step 1\) failed.*not iterable/,
    ],
    [
      'key',
      orders
        .groupBy({ a: () => 1, b: fail })
        .aggregate({ n: count() })
        .into(merge({ table: 't' })),
      /^key 'b' failed/,
    ],
    [
      'null key',
      orders
        .groupBy({ a: () => 1, b: () => null as never })
        .aggregate({ n: count() })
        .into(merge({ table: 't' })),
      /^key 'b' failed.*NULLs/,
    ],
    [
      'window',
      orders
        .groupBy({ m: tumbling('1 day', () => 'x') })
        .aggregate({ n: count() })
        .into(merge({ table: 't' })),
      /^key 'm' failed.*ISO 8601/,
    ],
    [
      'aggregate',
      grouped.aggregate({ n: count(), r: sumDecimal(() => 0.001, { scale: 2 }) }).into(merge({ table: 't' })),
      /^aggregate 'r' failed.*more than 2 digits/,
    ],
    [
      'add',
      orders.reduce({ zero: () => 0, add: fail, merge: fail }).into(writeResult(nothing)),
      /^'add' of reduce failed/,
    ],
    [
      'append row',
      orders.map((o) => ({ o: { at: new Map([[o, o]]) } })).into(append({ table: 't' }) as never),
      /^append row failed.*field "o" is no JSON: the value at "at" is an object/,
    ],
    ['append value', orders.map(() => 5).into(append({ table: 't' }) as never), /^append row failed.*got 5/],
    [
      'async filter',
      orders.filter(later as never).into(write(nothing)),
      /^filter \(step 1\) failed.*returned a Promise/,
    ],
    ['async map', orders.map(later).into(write(nothing)), /^map \(step 1\) failed.*returned a Promise/],
    [
      'async map that rejects',
      orders.map(async () => fail()).into(write(nothing)),
      /^map \(step 1\) failed.*returned a Promise/,
    ],
    [
      'async flatMap',
      orders.flatMap(later as never).into(write(nothing)),
      /^flatMap \(step 1\) failed.*returned a Promise/,
    ],
    [
      'promises from flatMap',
      orders.flatMap(() => [later()]).into(write(nothing)),
      /^flatMap \(step 1\) failed.*returned a Promise/,
    ],
    [
      'async key',
      orders
        .groupBy({ k: later as never })
        .aggregate({ n: count() })
        .into(merge({ table: 't' })),
      /^key 'k' failed.*synchronous/,
    ],
    [
      'async aggregate',
      grouped.aggregate({ s: sum(later as never) }).into(merge({ table: 't' })),
      /^aggregate 's' failed.*synchronous/,
    ],
    [
      'async add',
      orders.reduce({ zero: () => 0, add: later as never, merge: fail }).into(writeResult(nothing)),
      /^'add' of reduce failed.*returned a Promise/,
    ],
  ])('%s: names function, record and value', async (_, pipeline, message) => {
    const fetched = rangeOf(jsonRecords([{ item: 'a', amount: 1 }], 1))
    await expect(run(pipeline, fetched)).rejects.toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      record: { topic: 'orders', partition: 0, offset: 1n },
      message: expect.stringMatching(message),
    })
    await expect(run(pipeline, fetched)).rejects.toThrow('The record\'s value is "{\\"item\\":\\"a\\"')
  })

  test('decoder: names it, and escapes and bounds the excerpt', async () => {
    const value = `\u001b[31m\n\u202e${'x'.repeat(1000)}`
    const error = await run(byItem, rangeOf([{ offset: 3, value }])).catch((e: Error) => e)
    expect(error).toMatchObject({ code: 'JOB_FUNCTION_FAILED', record: { offset: 3n } })
    const { message } = error as Error
    expect(message).toMatch(/^decoder 'json' failed at orders\/0 offset 3: the text is not JSON/)
    expect(message).toContain('\\u{1b}[31m\\u{a}\\u{202e}xxx')
    expect(message).toContain('…" (1009 bytes)')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there is none is the point
    expect(message).not.toMatch(/[\u0000-\u001f]/)
    expect(message.length).toBeLessThan(800)
  })

  test('names the second of two records, and the pipeline where there are several', async () => {
    const bad = orders.map((o) => o.item.length).into(write(nothing))
    const fetched = rangeOf(jsonRecords([{ item: 'a', amount: 1 }, { amount: 2 }], 10))
    await expect(run([byItem, bad], fetched)).rejects.toMatchObject({
      record: { offset: 11n },
      message: expect.stringMatching(/^key 'item' \(pipeline 1\)/),
    })
    await expect(run([bad, byItem], fetched)).rejects.toMatchObject({
      record: { offset: 11n },
      message: expect.stringMatching(/^map \(step 1, pipeline 1\) failed/),
    })
  })

  test('a key that changes its type in a later range fails there', async () => {
    const task = compilePartitionTask(byItem.plan.root, [byItem.plan], systemClock)
    await task.run(rangeOf(jsonRecords([{ item: '1', amount: 1 }])), never)
    await expect(task.run(rangeOf(jsonRecords([{ item: 1, amount: 1 }], 5)), never)).rejects.toMatchObject({
      record: { offset: 5n },
      message: expect.stringMatching(/one type in a job/),
    })
  })

  test('a Date is not taken for the number of its milliseconds', async () => {
    const pipeline = orders
      .groupBy({ k: (o) => (o.amount > 0 ? new Date(5) : 5) })
      .aggregate({ n: count() })
      .into(merge({ table: 't' }))
    const fetched = rangeOf(jsonRecords([{ amount: 0 }, { amount: 1 }]))
    await expect(run(pipeline, fetched)).rejects.toThrow(/one type in a job/)
  })

  test('a zero that throws fails without a record', async () => {
    const pipeline = orders.reduce({ zero: fail, add: fail, merge: fail }).into(writeResult(nothing))
    const error = await run(pipeline, rangeOf(jsonRecords([{}]))).catch((e: unknown) => e)
    expect(error).toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      message: expect.stringContaining("'zero' of reduce"),
    })
    expect(error).toHaveProperty('record', undefined)
  })
})

describe('what a range must be', () => {
  const good = rangeOf(
    jsonRecords(
      [
        { item: 'a', amount: 1 },
        { item: 'b', amount: 1 },
      ],
      5,
    ),
  )
  const { range } = good

  test.each<[string, Partial<FetchedRange>]>([
    ['a record before from', { range: { ...range, from: 6n } }],
    ['a record at until', { range: { ...range, until: 6n } }],
    ['a record twice', { slices: [...good.slices, ...good.slices], records: 4 }],
    ['fewer records than it says', { records: 3 }],
    ['records of another partition', { range: { ...range, partition: 1 } }],
    ['records of another topic', { range: { ...range, topic: 'other' } }],
  ])('%s is a violated invariant', async (_, change) => {
    await expect(run(byItem, { ...good, ...change })).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
  })

  test('gaps between offsets are none', async () => {
    const records = [0, 1, 2].map((i) => ({ offset: 10 + i * i, value: '{"item":"a","amount":1}' }))
    expect(await groupsOf(byItem, rangeOf(records))).toEqual([['a', 3, 3]])
  })
})

describe('long work', () => {
  const many = rangeOf(jsonRecords(Array.from({ length: 1000 }, () => ({ item: 'a', amount: 1 }))))

  /** Every look at the clock takes `stepMs`. */
  function steppingClock(stepMs: number, onYield: () => void): Clock {
    let now = 0
    return {
      ...systemClock,
      monotonicMs: () => {
        now += stepMs
        return now
      },
      yield: async () => onYield(),
    }
  }

  test('is interrupted about every 2 ms, and looks at the clock every 256 records', async () => {
    let yields = 0
    const counting = () => {
      yields += 1
    }
    await run(byItem, many, never, steppingClock(3, counting))
    expect(yields).toBe(4)
    yields = 0
    await run(byItem, many, never, steppingClock(1, counting))
    expect(yields).toBe(2)
    yields = 0
    await run(byItem, many, never, steppingClock(0.25, counting))
    expect(yields).toBe(0)
  })

  test('is said to have taken the time that it has taken', async () => {
    // Looks: the run begins, four blocks, the run has ended.
    const { computeMs } = await run(
      byItem,
      many,
      never,
      steppingClock(0.25, () => {}),
    )
    expect(computeMs).toBe(1.25)
  })

  test('is interrupted as often in many short ranges as in a long one, each alone or all as one', async () => {
    const one = rangeOf(jsonRecords([{ item: 'a', amount: 1 }]))
    const ranges = Array.from({ length: 8 }, () => one)
    let yields = 0
    const counting = () => {
      yields += 1
    }
    const task = () => compilePartitionTask(byItem.plan.root, [byItem.plan], steppingClock(0.5, counting))
    const alone = task()
    for (const range of ranges) await alone.run(range, never)
    const looksAlone = 8 * 3
    expect(yields).toBe(Math.floor((looksAlone * 0.5) / 2.5))
    yields = 0
    await task().runAsOne(ranges, never)
    expect(yields).toBeGreaterThan(1)
  })

  test('ends with the reason of the signal when it is aborted meanwhile', async () => {
    const abandon = new AbortController()
    const reason = new Error('abandoned')
    const clock = steppingClock(9, () => abandon.abort(reason))
    await expect(run(byItem, many, abandon.signal, clock)).rejects.toBe(reason)
  })
})

describe('a decoder that is made of one of ours has its own decode', () => {
  const louder = <T>(inner: Decoder<T>, change: (value: T) => T): Decoder<T> => ({
    ...inner,
    name: 'louder',
    decode: (...record) => change(inner.decode(...record)),
  })
  // A key makes room for parsing several values at once.
  const values = ['a', 'b'].map((item, offset) => ({
    offset,
    key: 'x'.repeat(20),
    value: `{"item":"${item}"}`,
  }))
  const partialOf = async ({ plan }: Pipeline) => {
    const task = compilePartitionTask(plan.root, [plan], systemClock)
    return (await task.run(rangeOf(values), never)).partials[0]
  }

  test('of json', async () => {
    const decoder = louder(json<{ item: string }>(), ({ item }) => ({ item: `${item}!` }))
    const pipeline = from(source)
      .decode(decoder)
      .into(append({ table: 't' }))
    expect(await partialOf(pipeline)).toMatchObject({ rows: [{ item: 'a!' }, { item: 'b!' }] })
  })

  test('of fields', async () => {
    const decoder = louder(fields({ item: text() }), ({ item }) => ({ item: `${item}!` }))
    const pipeline = from(source)
      .decode(decoder)
      .groupBy({ item: (o) => o.item })
      .aggregate({ n: count() })
      .into(merge({ table: 't' }))
    const partial = await partialOf(pipeline)
    expect(partial?.kind === 'groups' && [...partial.groups.keys()]).toEqual(['a!', 'b!'])
  })
})
