import { describe, expect, test } from 'vitest'
import { createMysqlDialect } from '../../../src/database/mysql/dialect.ts'
import { createPostgresDialect } from '../../../src/database/postgres/dialect.ts'
import {
  append,
  binary,
  boolean,
  count,
  decimal,
  defineJob,
  document,
  type Field,
  from,
  integer,
  json,
  kafka,
  maxBy,
  merge,
  mysql,
  optional,
  type Pipeline,
  postgres,
  string,
  sumDecimal,
  sumDouble,
  text,
  timestamp,
  upsert,
} from '../../../src/index.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import { declaredTable } from '../../../src/sink/declare-table.ts'

interface Order {
  k: string
  v: number
  at: number
}

const source = from(kafka({ brokers: ['b:1'], topics: ['t'] }))
const orders = source.decode(json<Order>())
const keyed = source.decode(json<Order>(), { key: string() })
const groups = orders.groupBy({ k: ({ k }) => k })
const rows = orders.map(({ k, v }) => ({ k, v }))

/** Fields that the compiler would not take. */
const untyped = (fields: Readonly<Record<string, Field<unknown>>>) => fields as never

const postgresText = (pipeline: Pipeline) => {
  const declaration = declaredTable(pipeline.plan)
  if (!declaration) throw new Error('the sink declares no table')
  return createPostgresDialect(postgres({ host: 'h' }), systemRuntime)
    .createTableText(declaration)
    .split('\n')
    .map((line) => line.trim())
}

function refusal(pipeline: Pipeline): string {
  try {
    defineJob({ name: 'declared', database: postgres({ host: 'h' }), pipeline })
  } catch (error) {
    expect(error).toMatchObject({ code: 'CONFIGURATION_INVALID' })
    return (error as Error).message
  }
  return 'it was accepted'
}

test('a sink without createTable declares no table', () => {
  for (const pipeline of [
    groups.aggregate({ n: count() }).into(merge({ table: 't' })),
    rows.into(append({ table: 't' })),
    rows.into(upsert({ table: 't', key: 'k' })),
  ]) {
    expect(declaredTable(pipeline.plan)).toBeNull()
  }
})

describe('the table', () => {
  test('of merge has its keys, aggregates of known type, and what is declared', () => {
    const pipeline = orders
      .groupBy({ k: ({ k }) => k, when: ({ at }) => new Date(at) })
      .aggregate({
        n: count(),
        sum: sumDecimal(({ v }) => v, { scale: 2 }),
        weight: sumDouble(({ v }) => v),
        last: maxBy(({ k }) => k, { by: ({ at }) => at }),
      })
      .into(
        merge({
          table: 's.t',
          columns: { k: 'K', sum: 'total', last_by: 'last_at' },
          createTable: { k: text(), when: timestamp(), last: text(), last_by: integer() },
        }),
      )
    expect(postgresText(pipeline)).toEqual([
      'CREATE TABLE IF NOT EXISTS "s"."t" (',
      '"K" text NOT NULL,',
      '"when" timestamp with time zone NOT NULL,',
      '"n" bigint NOT NULL,',
      '"total" numeric(65, 2) NOT NULL,',
      '"weight" double precision NOT NULL,',
      '"last" text,',
      '"last_at" bigint,',
      'PRIMARY KEY ("K", "when")',
      ')',
    ])
  })

  test('of upsert has its keys first, wherever they come from', () => {
    const byField = upsert<{ v: number; k: string }, unknown>({
      table: 't',
      key: 'k',
      columns: { k: 'id' },
      createTable: { v: optional(decimal(1, { precision: 9 })), k: text({ maxLength: 9 }) },
    })
    expect(postgresText(rows.into(byField))).toEqual([
      'CREATE TABLE IF NOT EXISTS "t" (',
      '"id" varchar(9) NOT NULL,',
      '"v" numeric(9, 1),',
      'PRIMARY KEY ("id")',
      ')',
    ])
    const byMeta = keyed
      .map(({ v }) => ({ v }))
      .into(
        upsert({
          table: 't',
          key: { who: ({ key }) => key, odd: ({ partition }) => partition % 2 === 1 },
          createTable: { v: integer(), who: text(), odd: boolean() },
        }),
      )
    expect(postgresText(byMeta)).toEqual([
      'CREATE TABLE IF NOT EXISTS "t" (',
      '"who" text NOT NULL,',
      '"odd" boolean NOT NULL,',
      '"v" bigint NOT NULL,',
      'PRIMARY KEY ("who", "odd")',
      ')',
    ])
  })

  test('of append has its meta columns, and no key', () => {
    const pipeline = rows.into(
      append({
        table: 't',
        columns: { v: 'amount' },
        meta: { topic: 'a', partition: 'b', offset: 'c', timestamp: 'd', key: 'e', headers: 'f' },
        createTable: { k: text(), v: integer() },
      }),
    )
    expect(postgresText(pipeline)).toEqual([
      'CREATE TABLE IF NOT EXISTS "t" (',
      '"k" text NOT NULL,',
      '"amount" bigint NOT NULL,',
      '"a" text NOT NULL,',
      '"b" bigint NOT NULL,',
      '"c" bigint NOT NULL,',
      '"d" timestamp with time zone NOT NULL,',
      '"e" bytea,',
      '"f" jsonb NOT NULL',
      ')',
    ])
  })
})

describe('refused when the job is defined:', () => {
  const aggregated = groups.aggregate({ n: count(), last: maxBy(({ k }) => k, { by: ({ at }) => at }) })
  const merged = (createTable: Readonly<Record<string, Field<unknown>>>, columns = {}) =>
    aggregated.into(merge({ table: 't', columns, createTable: untyped(createTable) }))
  const upserted = (createTable: Readonly<Record<string, Field<unknown>>>, columns = {}) =>
    rows.into(upsert({ table: 't', key: 'k', columns, createTable: untyped(createTable) }))
  const byMeta = (createTable: Readonly<Record<string, Field<unknown>>>) =>
    keyed
      .map(({ v }) => ({ v }))
      .into(upsert({ table: 't', key: { who: ({ key }) => key }, createTable: untyped(createTable) }))

  const [k, last, last_by] = [text(), text(), integer()]
  test.each<[string, () => Pipeline, RegExp]>([
    [
      'a key that is not declared',
      () => merged({ last, last_by }),
      /merge\(\): .*does not say what 'k' is, which is a key: add k: text\(\)/,
    ],
    [
      'a key of upsert that is not declared',
      () => upserted({ v: integer() }),
      /upsert\(\): .*does not say what 'k' is, which is a key/,
    ],
    [
      'a key of meta data that is not declared',
      () => byMeta({ v: integer() }),
      /upsert\(\): .*what 'who' is, which is a key/,
    ],
    [
      'an aggregate of any type',
      () => merged({ k, last }),
      /what 'last_by' is, which is a maxBy\.by, whose values may be of several types/,
    ],
    [
      'an optional key',
      () => merged({ k: optional(k), last, last_by }),
      /merge\(\): createTable\.k is optional\(\), but a key is never null/,
    ],
    [
      'an optional key of upsert',
      () => upserted({ k: optional(k), v: integer() }),
      /upsert\(\): createTable\.k is optional\(\)/,
    ],
    [
      'a document as key',
      () => upserted({ k: document(), v: integer() }),
      /createTable\.k is document\(\), which is no type of a key/,
    ],
    [
      'bytes as key',
      () => merged({ k: binary(), last, last_by }),
      /createTable\.k is binary\(\), which is no type of a key/,
    ],
    [
      'a column of merge that no row has',
      () => merged({ k, last, last_by, colour: text() }),
      /createTable names 'colour', but the row has k, n, last, last_by/,
    ],
    [
      'two columns of one name',
      () => upserted({ k, v: integer(), w: integer() }, { v: 'w' }),
      /upsert\(\): createTable declares two columns 'w' of t: rename one/,
    ],
    [
      'a field beside a meta column of its name',
      () => rows.into(append({ table: 't', meta: { offset: 'v' }, createTable: { k, v: integer() } })),
      /append\(\): createTable declares two columns 'v' of t/,
    ],
    [
      'a decoded key as meta column',
      () =>
        keyed
          .map(({ v }) => ({ v }))
          .into(append({ table: 't', meta: { key: 'who' }, createTable: { v: integer() } })),
      /append\(\): createTable cannot say of what type 'who' is, .*record's key: give the key as a field/,
    ],
    [
      'what is no field',
      () => upserted({ k: 'text' as never, v: integer() }),
      /'createTable\.k' must be a field such as text\(\), but is the string "text"/,
    ],
    [
      'a field with a path',
      () => upserted({ k: text({ path: 'a.b' }), v: integer() }),
      /'createTable\.k' has a path, which is for reading records/,
    ],
  ])('%s', (_, pipeline, message) => {
    const said = (() => {
      try {
        return refusal(pipeline())
      } catch (error) {
        return (error as Error).message
      }
    })()
    expect(said).toMatch(message)
  })
})

test('a text key without a length, or too long for an index, is refused for MySQL and MariaDB', () => {
  const dialect = createMysqlDialect(mysql({ host: 'h', database: 'd' }), systemRuntime)
  const statement = (maxLength?: number) => {
    const key = maxLength === undefined ? text() : text({ maxLength })
    const pipeline = rows.into(upsert({ table: 't', key: 'k', createTable: { k: key, v: integer() } }))
    return dialect.createTableText(
      declaredTable(pipeline.plan) as NonNullable<ReturnType<typeof declaredTable>>,
    )
  }
  expect(() => statement()).toThrow(/'k' is a text of any length.*maxLength/)
  expect(() => statement(769)).toThrow(/769 characters.*768 at most/)
  expect(statement(768)).toMatch(/`k` varchar\(768\) NOT NULL.*InnoDB/s)
})
