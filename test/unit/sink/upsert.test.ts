import { describe, expect, test } from 'vitest'
import { collectPartials } from '../../../src/aggregation/collect.ts'
import type { Transaction, UpsertWrite } from '../../../src/database/dialect.ts'
import { json } from '../../../src/decode/json.ts'
import { nullable } from '../../../src/decode/nullable.ts'
import { string } from '../../../src/decode/string.ts'
import { compilePartitionTask } from '../../../src/executor/partition-task.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { deliver } from '../../../src/sink/deliver.ts'
import { rowObjects } from '../../../src/sink/rows.ts'
import { upsert } from '../../../src/sink/upsert.ts'
import { rangeOf } from '../executor/ranges.ts'

const source = from({ kind: 'test', startFrom: 'earliest' })
// biome-ignore lint/suspicious/noExplicitAny: rows of every form
const changes = source.decode(nullable(json<any>()), { key: nullable(string()) })
const byKey = (tombstones: 'delete' | 'skip' | 'fail' = 'delete') =>
  changes.into(upsert({ table: 't', key: { id: (meta) => meta.key ?? 'none' }, tombstones }))

type Entry = readonly [key: string | null, value: unknown]

async function partialOf({ plan }: Pipeline, entries: readonly Entry[], partition = 0) {
  const task = compilePartitionTask(plan.root, [plan], systemClock)
  const records = entries.map(([key, value], i) => ({
    offset: i + 7,
    key,
    value: value === null ? null : JSON.stringify(value),
  }))
  const [partial] = (await task.run(rangeOf(records, partition), new AbortController().signal)).partials
  if (!partial) throw new Error('no partial result')
  return partial
}

async function writesOf(pipeline: Pipeline, ...partitions: (readonly Entry[])[]): Promise<UpsertWrite[]> {
  const partials = await Promise.all(partitions.map((entries, i) => partialOf(pipeline, entries, i)))
  const writes: UpsertWrite[] = []
  const trx = {
    upsertRows: async (write: UpsertWrite) => {
      writes.push(write)
      return write.rows.length + write.deletes.length
    },
  } as unknown as Transaction
  const batch = { batchId: 'id', job: 'job', ranges: [], records: 1, deadLetters: 0 }
  const collected = collectPartials(pipeline.plan.terminal, partials)
  const sent = await deliver(trx, pipeline.plan, collected, batch)
  expect(sent).toBe(writes.reduce((sum, { rows, deletes }) => sum + rows.length + deletes.length, 0))
  return writes
}

describe('upsert', () => {
  test('writes the last value of each key, sorted, and deletes where it is null', async () => {
    const writes = await writesOf(byKey(), [
      ['b', { n: 1 }],
      ['c', null],
      ['a', { n: 2 }],
      ['b', { n: 3 }],
      ['d', { n: 4 }],
      ['d', null],
      ['c', { n: 5 }],
      ['e', null],
    ])
    expect(writes).toEqual([
      {
        table: 't',
        keys: ['id'],
        columns: ['n'],
        rows: [
          ['a', 2],
          ['b', 3],
          ['c', 5],
        ],
        deletes: [['d'], ['e']],
      },
    ])
  })

  test('of several partitions the one that comes later wins within a batch', async () => {
    const [write] = await writesOf(byKey(), [['a', { n: 1 }]], [['a', { n: 2 }]])
    expect(write?.rows).toEqual([['a', 2]])
  })

  test('rows of other fields are other writes, in one order, and the deletes come once', async () => {
    const writes = await writesOf(byKey(), [
      ['a', { y: 1, x: 2 }],
      ['b', { z: 3 }],
      ['c', { x: 4, y: null }],
      ['d', null],
    ])
    expect(writes.map(({ columns, rows, deletes }) => ({ columns, rows, deletes }))).toEqual([
      {
        columns: ['x', 'y'],
        rows: [
          ['a', 2, 1],
          ['c', 4, null],
        ],
        deletes: [['d']],
      },
      { columns: ['z'], rows: [['b', 3]], deletes: [] },
    ])
    expect(await writesOf(byKey(), [['d', null]])).toEqual([
      { table: 't', keys: ['id'], columns: [], rows: [], deletes: [['d']] },
    ])
    expect(await writesOf(byKey('skip'), [['d', null]])).toEqual([])
  })

  test('keys are fields of the row, renamed like any other', async () => {
    const pipeline = changes.into(
      upsert({ table: 't', key: ['tenant', 'id'], tombstones: 'skip', columns: { id: 'i', name: 'n' } }),
    )
    expect(
      await writesOf(pipeline, [
        [null, { id: 1, tenant: 'x', name: 'a' }],
        [null, null],
      ]),
    ).toEqual([{ table: 't', keys: ['tenant', 'i'], columns: ['n'], rows: [['x', 1, 'a']], deletes: [] }])
  })

  test('a row may have the key as a field too, if it is the same', async () => {
    expect((await writesOf(byKey(), [['a', { id: 'a', n: 1 }]]))[0]?.rows).toEqual([['a', 1]])
    await expect(writesOf(byKey(), [['a', { id: 'b' }]])).rejects.toThrow(
      `upsert row failed at orders/0 offset 7: the row's field 'id' is the string "b", but its key is the string "a"`,
    )
  })

  test('objects and arrays travel as canonical JSON', async () => {
    const [write] = await writesOf(byKey(), [['a', { doc: { b: [1, { d: 1, c: null }], a: '"' }, list: [] }]])
    expect(write?.rows).toEqual([['a', { json: '{"a":"\\"","b":[1,{"c":null,"d":1}]}' }, { json: '[]' }]])
  })

  test('hostile field names are names', async () => {
    const text = '{"__proto__":1,"constructor":{"__proto__":2},"a\\"b":3}'
    const [write] = await writesOf(byKey(), [['__proto__', JSON.parse(text)]])
    expect(write?.columns).toEqual(['__proto__', 'a"b', 'constructor'])
    expect(write?.rows).toEqual([['__proto__', 1, 3, { json: '{"__proto__":2}' }]])
  })

  test('a look at it shows what each row does', async () => {
    const pipeline = byKey()
    const partial = await partialOf(pipeline, [
      ['b', null],
      ['c', { n: 1 }],
    ])
    expect(rowObjects(pipeline.plan, partial)).toEqual([
      { '(does)': 'upsert', id: 'c', n: 1 },
      { '(does)': 'delete', id: 'b' },
    ])
  })

  test.each<[string, Pipeline, Entry, RegExp]>([
    [
      'null without a word',
      byKey('fail'),
      ['a', null],
      /there is no row but null \(a tombstone\): say with tombstones/,
    ],
    ['text', byKey(), ['a', 'x'], /a row is an object with a field per column, but got the string "x"/],
    [
      'a missing key',
      changes.into(upsert({ table: 't', key: 'id', tombstones: 'skip' })),
      ['a', { n: 1 }],
      /^upsert row failed at orders\/0 offset 7: key 'id': a group key is .* but got undefined: unique indexes/,
    ],
    [
      'a key that is no key',
      changes.into(upsert({ table: 't', key: 'id', tombstones: 'skip' })),
      ['a', { id: { n: 1 } }],
      /key 'id': a group key is/,
    ],
    [
      'a key function that throws',
      changes.into(
        upsert({ table: 't', key: { id: (meta) => String(meta.key).repeat(-1) }, tombstones: 'delete' }),
      ),
      ['a', { n: 1 }],
      /RangeError/,
    ],
  ])('%s fails its record', async (_, pipeline, entry, message) => {
    await expect(writesOf(pipeline, [entry])).rejects.toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      record: { offset: 7n },
      message: expect.stringMatching(message),
    })
  })

  test('a key that changes its type fails, also between partitions', async () => {
    const pipeline = changes.into(upsert({ table: 't', key: 'id', tombstones: 'skip' }))
    await expect(
      writesOf(pipeline, [
        [null, { id: 1 }],
        [null, { id: '1' }],
      ]),
    ).rejects.toThrow(/one type in a job/)
    await expect(writesOf(pipeline, [[null, { id: 1 }]], [[null, { id: '1' }]])).rejects.toThrow(
      /key 'id' is a number in one partition and a string in another/,
    )
  })

  test('two fields of one column fail', async () => {
    const pipeline = changes.into(upsert({ table: 't', key: 'id', tombstones: 'skip', columns: { a: 'b' } }))
    await expect(writesOf(pipeline, [[null, { id: 1, a: 1, b: 2 }]])).rejects.toThrow(
      /upsert: two fields of a row of a, b would be written to column 'b' of t/,
    )
  })

  test.each<[string, () => unknown, string]>([
    [
      'no key',
      () => upsert({ table: 't' } as never),
      "upsert(): 'key' must be a field, an array of fields, or an object of functions of meta data, but is undefined.",
    ],
    [
      'an empty key',
      () => upsert({ table: 't', key: [] } as never),
      "upsert(): 'key' must be a field, an array of fields, or an object of functions of meta data, but is an array.",
    ],
    [
      'a key twice',
      () => upsert({ table: 't', key: ['a', 'a'] } as never),
      `upsert(): 'key' names the string "a" twice.`,
    ],
    [
      'a key of no function',
      () => upsert({ table: 't', key: { id: 'key' } } as never),
      `upsert(): 'key.id' must be a function of meta data, but is the string "key".`,
    ],
    [
      'a key without a name',
      () => upsert({ table: 't', key: '' } as never),
      `upsert(): 'key' cannot have the name the string "".`,
    ],
    [
      'another choice',
      () => upsert({ table: 't', key: 'id', tombstones: 'drop' } as never),
      `upsert(): 'tombstones' must be 'delete', 'skip' or 'fail', but is the string "drop".`,
    ],
    [
      'deletes by fields',
      () => upsert({ table: 't', key: 'id', tombstones: 'delete' } as never),
      "upsert(): with tombstones: 'delete' the key is made of meta data, because null has no fields: key: { id: (meta) => meta.key }.",
    ],
    [
      'an unknown option',
      () => upsert({ table: 't', key: 'id', keys: 1 } as never),
      "upsert(): has no option 'keys': its options are table, key, tombstones, columns, createTable; did you mean 'key'?",
    ],
    [
      'a shared column',
      () => changes.into(upsert({ table: 't', key: 'id', tombstones: 'skip', columns: { a: 'id' } })),
      "upsert(): two fields would be written to column 'id'.",
    ],
  ])('refuses %s', (_, make, message) => {
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID', message }))
  })
})
