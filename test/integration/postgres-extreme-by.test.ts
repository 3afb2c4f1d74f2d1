import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import { type CompoundAggregate, maxBy, minBy } from '../../src/index.ts'
import type { ColumnValue, KeyValue } from '../../src/model/values.ts'
import { inTransaction, PostgresFixture } from '../support/postgres-fixture.ts'

const db = new PostgresFixture()
let connection: Connection

beforeAll(async () => {
  await db.open()
  connection = await db.connect()
})
afterAll(() => db.drop())

type By = number | bigint | Date
interface Item {
  readonly value: KeyValue | null
  readonly by: By | null
}

const meta = { topic: 't', partition: 0, offset: 0n, timestampMs: 0, key: null, headers: new Map() }

/** Results of one batch, in the order of the parts. */
function resultsOf(
  { parts }: CompoundAggregate<Item, Record<string, ColumnValue>>,
  items: readonly Item[],
): ColumnValue[] {
  return parts.map(({ fn }) =>
    fn.result(items.reduce<unknown>((state, item) => fn.add(state, item, meta), fn.zero())),
  )
}

/** Few different values, so that equal ones meet often. */
const cases: {
  name: string
  columns: string
  value: fc.Arbitrary<KeyValue>
  by: fc.Arbitrary<By>
}[] = [
  {
    name: 'text in a column whose collation is not that of code points',
    columns: 'x text COLLATE "en-x-icu", x_by bigint',
    value: fc.constantFrom('a', 'B', 'b', 'ä', 'A', '10', '9', '', '\ufffd', '😀'),
    by: fc.constantFrom(1, 2n ** 60n, 2n ** 60n + 1n).map((n) => BigInt(n)),
  },
  {
    name: 'numbers in decimals, chosen by fractions',
    columns: 'x numeric(12,2), x_by numeric',
    value: fc.constantFrom(1, 1.01, 1.1, 9, 10, -10),
    by: fc.constantFrom(0.1, 0.1 + 0.2, 0.3, -0, 0, 1e-20),
  },
  {
    name: 'Dates and booleans, chosen by Dates',
    columns: 'x boolean, x_by timestamptz',
    value: fc.boolean(),
    by: fc.constantFrom(0, 1, -1, 2).map((ms) => new Date(ms)),
  },
]

test.each(cases)('any cutting into batches, in any order, gives one table: $name', async (kind) => {
  const item = fc.record({
    value: fc.option(kind.value, { freq: 5 }),
    by: fc.option(kind.by, { freq: 5 }),
  })
  const table = await db.table(`by_${cases.indexOf(kind)}`, `run text PRIMARY KEY, ${kind.columns}`)
  let run = 0
  const merged = async (rule: 'least' | 'greatest', batches: readonly (readonly Item[])[]) => {
    run += 1
    const options = { by: (i: Item) => i.by }
    const aggregate = (rule === 'least' ? minBy : maxBy)((i: Item) => i.value, options)
    for (const batch of batches) {
      const row = [`run ${run}`, ...resultsOf(aggregate, batch)]
      await inTransaction(connection, 'batch', (trx) =>
        trx.mergeRows({
          table,
          keys: ['run'],
          aggregates: [
            { column: 'x', rule, by: 'x_by' },
            { column: 'x_by', rule },
          ],
          rows: [row],
        }),
      )
    }
    return db.rows(`SELECT x::text, x_by::text FROM ${table} WHERE run = $1`, [`run ${run}`])
  }
  await fc.assert(
    fc.asyncProperty(
      fc
        .array(fc.array(item, { maxLength: 4 }), { minLength: 1, maxLength: 5 })
        .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
      fc.constantFrom('least' as const, 'greatest' as const),
      async ([batches, shuffled], rule) => {
        const whole = await merged(rule, [batches.flat()])
        expect(await merged(rule, batches)).toEqual(whole)
        expect(await merged(rule, shuffled)).toEqual(whole)
      },
    ),
    { numRuns: 60 },
  )
})

test('text in a column of numbers, or a number in one of text, is refused: their orders differ', async () => {
  const merge = async (name: string, type: string, value: KeyValue) => {
    const table = await db.table(name, `k int PRIMARY KEY, x ${type}, x_by int`)
    return inTransaction(connection, 'batch', (trx) =>
      trx.mergeRows({
        table,
        keys: ['k'],
        aggregates: [
          { column: 'x', rule: 'greatest', by: 'x_by' },
          { column: 'x_by', rule: 'greatest' },
        ],
        rows: [
          [1, null, null],
          [2, value, 1],
        ],
      }),
    )
  }
  await expect(merge('text_as_number', 'int', '10')).rejects.toThrow(/'x' of .* is no text, but .* a string/)
  await expect(merge('number_as_text', 'varchar(9)', 10)).rejects.toThrow(
    /'x' of .* is text, but .* a number/,
  )
  expect(await merge('text_as_text', 'varchar(9)', '10')).toBe(2)
})
