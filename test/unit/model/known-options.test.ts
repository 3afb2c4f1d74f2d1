import { expect, test } from 'vitest'
import {
  append,
  avg,
  count,
  deadLetter,
  defineJob,
  from,
  hopping,
  json,
  kafka,
  maxBy,
  merge,
  minBy,
  postgres,
  start,
  sumDecimal,
  upsert,
} from '../../../src/index.ts'

/*
 * What the compiler says in TypeScript is said at run time to plain JavaScript.
 */

const source = from(kafka({ brokers: ['b:1'], topics: ['t'] }))
const values = source.decode(json<{ v: number }>())
const one = () => 1

/** Options that the compiler would not take. */
const untyped = (options: object) => options as never

test.each<[string, () => unknown, string]>([
  [
    'sumDecimal',
    () => sumDecimal(one, untyped({ scael: 2 })),
    "sumDecimal has no option 'scael': its option is scale; did you mean 'scale'?",
  ],
  [
    'sumDecimal beside a good one',
    () => sumDecimal(one, untyped({ scale: 2, rounding: 'up' })),
    "sumDecimal has no option 'rounding': its option is scale.",
  ],
  [
    'avg',
    () => avg(one, untyped({ scales: 2 })),
    "avg has no option 'scales': its option is scale; did you mean 'scale'?",
  ],
  [
    'hopping',
    () => hopping(untyped({ size: '1 hour', evry: '5 minutes' }), one),
    "hopping has no option 'evry': its options are size, every; did you mean 'every'?",
  ],
  [
    'maxBy',
    () => maxBy(one, untyped({ by: one, order: one })),
    "maxBy has no option 'order': its option is by.",
  ],
  ['minBy', () => minBy(one, untyped({ bye: one })), "minBy has no option 'bye': its option is by."],
  [
    'reduce',
    () => values.reduce(untyped({ zero: one, add: one, merg: one })),
    "reduce has no option 'merg': its options are zero, add, merge; did you mean 'merge'?",
  ],
  [
    'decode',
    () => source.decode(json(), untyped({ keys: 1 })),
    "decode has no option 'keys': its option is key; did you mean 'key'?",
  ],
  [
    'merge',
    () => merge(untyped({ table: 't', colums: {} })),
    "merge(): has no option 'colums': its options are table, columns, createTable; did you mean 'columns'?",
  ],
  [
    'append.meta',
    () => append(untyped({ table: 't', meta: { ofset: 'o' } })),
    "append(): 'meta' has no field 'ofset': its fields are topic, partition, offset, timestamp, key, headers; did you mean 'offset'?",
  ],
  [
    'upsert',
    () => upsert(untyped({ table: 't', keys: 'k' })),
    "upsert(): has no option 'keys': its options are table, key, tombstones, columns, createTable; did you mean 'key'?",
  ],
  [
    'deadLetter',
    () => deadLetter(untyped({ maxPerBach: 1 })),
    "there is no option maxPerBach: there are maxPerBatch, maxPerWindow, windowMs; did you mean 'maxPerBatch'?",
  ],
])('a misspelt option of %s is named, with the nearest right one', (_, call, message) => {
  expect(call).toThrow(
    expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.stringContaining(message) }),
  )
})

test('a misspelt option of start is refused before anything is connected', async () => {
  const pipeline = values
    .groupBy({ v: ({ v }) => v })
    .aggregate({ n: count() })
    .into(merge({ table: 't' }))
  const job = defineJob({ name: 'misspelt', database: postgres({ host: 'nowhere.invalid' }), pipeline })
  await expect(start(job, untyped({ onse: true }))).rejects.toMatchObject({
    code: 'CONFIGURATION_INVALID',
    message:
      "start has no option 'onse': its options are signal, once, acceptShapeChange, events, runtime; did you mean 'once'?",
  })
})

test('two aggregates that are to have one column are refused, whether they are renamed or named so', () => {
  const groups = values.groupBy({ v: ({ v }) => v })
  const two = groups.aggregate({ n: count(), m: count(), a: avg(({ v }) => v, { scale: 0 }) })
  const refused = (columns: object) =>
    expect(() => two.into(merge({ table: 't', columns }))).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID' }),
    )
  refused({ n: 'm' })
  refused({ n: 'x', m: 'x' })
  refused({ m: 'a_count' })
  refused({ n: 'v' })
  two.into(merge({ table: 't', columns: { n: 'm', m: 'n' } }))
})
