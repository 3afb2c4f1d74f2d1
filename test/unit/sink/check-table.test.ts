import { describe, expect, test } from 'vitest'
import { avg } from '../../../src/aggregation/avg.ts'
import { count } from '../../../src/aggregation/count.ts'
import { max } from '../../../src/aggregation/extreme.ts'
import { maxBy } from '../../../src/aggregation/extreme-by.ts'
import { hopping } from '../../../src/aggregation/hopping.ts'
import { sum } from '../../../src/aggregation/sum.ts'
import { sumDecimal } from '../../../src/aggregation/sum-decimal.ts'
import { sumDouble } from '../../../src/aggregation/sum-double.ts'
import { tumbling } from '../../../src/aggregation/tumbling.ts'
import type { ColumnDescription, TableDescription } from '../../../src/database/dialect.ts'
import { columnHolds, cureWords } from '../../../src/database/postgres/column-class.ts'
import { json } from '../../../src/decode/json.ts'
import { nullable } from '../../../src/decode/nullable.ts'
import { from } from '../../../src/pipeline/from.ts'
import { append } from '../../../src/sink/append.ts'
import { checkSinkTable } from '../../../src/sink/check-table.ts'
import { merge } from '../../../src/sink/merge.ts'
import { upsert } from '../../../src/sink/upsert.ts'
import { write } from '../../../src/sink/write.ts'

interface Order {
  item: string
  amount: number
  at: string
}

const orders = from({ kind: 'test', startFrom: 'earliest' }).decode(json<Order>())
const merged = orders
  .groupBy({ item: (o) => o.item, minute: tumbling('1 minute', (o) => o.at) })
  .aggregate({
    orders: count(),
    quantity: sum((o) => o.amount),
    revenue: sumDecimal((o) => o.amount, { scale: 2 }),
    top: max((o) => o.amount),
    weight: sumDouble((o) => o.amount),
    last: maxBy((o) => o.item, { by: (o) => new Date(o.at) }),
    price: avg((o) => o.amount, { scale: 2 }),
  })
  .into(merge({ table: 'orders_by_item', columns: { top: 'highest' } }))

const column = (name: string, type: string, change: Partial<ColumnDescription> = {}): ColumnDescription => {
  const scale = /^numeric\(\d+,(-?\d+)\)$/.exec(type)?.[1]
  return {
    name,
    type,
    nullable: false,
    hasDefault: false,
    generated: false,
    ...columnHolds(type, scale === undefined ? (change.scale ?? null) : Number(scale)),
    ...change,
  }
}

const columns = [
  column('item', 'text'),
  column('minute', 'timestamp with time zone'),
  column('orders', 'bigint'),
  column('quantity', 'bigint'),
  column('revenue', 'numeric(14,2)'),
  column('weight', 'double precision'),
  column('last', 'text', { nullable: true }),
  column('last_by', 'timestamp with time zone', { nullable: true }),
  column('price_sum', 'numeric(14,2)'),
  column('price_count', 'bigint'),
  column('highest', 'double precision', { nullable: true }),
]

const table: TableDescription = {
  qualifiedName: '"public"."orders_by_item"',
  kind: 'table',
  columns,
  uniqueKeys: [['item', 'minute']],
  alsoMatching: [],
  warnings: [],
  missingPrivileges: [],
  words: cureWords,
}

/** The fitting table with one column replaced (or added). */
function withColumn(changed: ColumnDescription): TableDescription {
  const others = columns.filter(({ name }) => name !== changed.name)
  return { ...table, columns: [...others, changed] }
}

const problemsOf = (change: Partial<TableDescription>) => checkSinkTable(merged.plan, { ...table, ...change })

describe('a table for merge', () => {
  test('that holds every value exactly has no problems', () => {
    expect(problemsOf({})).toEqual([])
    expect(problemsOf({ uniqueKeys: [['id'], ['minute', 'item']] })).toEqual([])
  })

  test.each<[string, Partial<TableDescription>, RegExp]>([
    ['a view', { kind: 'view' }, /no plain table \(view\).*use an ordinary table/],
    ['an unlogged table', { kind: 'unlogged table' }, /no plain table \(unlogged table\).*SET LOGGED/],
    ['no privilege', { missingPrivileges: ['SELECT', 'UPDATE'] }, /lacks SELECT, UPDATE on it: GRANT/],
    ['a missing column', { columns: columns.slice(0, -1) }, /no column 'highest' \(it has item, /],
    ['no unique key', { uniqueKeys: [] }, /ADD PRIMARY KEY \(item, minute\)/],
    ['a unique key of fewer columns', { uniqueKeys: [['item']] }, /exactly on \(item, minute\)/],
    ['a unique key of more columns', { uniqueKeys: [['item', 'minute', 'orders']] }, /exactly on/],
    [
      'another unique index that rows are matched by',
      {
        alsoMatching: [
          { name: 'PRIMARY', columns: ['minute', 'item'] },
          { name: 'by_last', columns: ['last(10)'] },
        ],
      },
      /unique index 'by_last' on \(last\(10\)\) .*: drop it/,
    ],
    ['a unique key of other columns', { uniqueKeys: [['item', 'orders']] }, /exactly on/],
  ])('%s is one problem, with its cure', (_, change, reason) => {
    const problems = problemsOf(change)
    expect(problems).toEqual([expect.stringMatching(reason)])
    expect(problems[0]).toContain('"public"."orders_by_item"')
  })

  test.each<[string, string, Partial<ColumnDescription>, RegExp]>([
    ['item', 'text', { nullable: true }, /may be NULL.*SET NOT NULL/],
    ['item', 'citext', {}, /upper and lower case/],
    ['item', 'character(10)', {}, /trailing spaces.*: use text or varchar/],
    ['item', 'bpchar', {}, /trailing spaces/],
    ['item', 'real', {}, /rounds/],
    ['item', 'numeric(10,2)', {}, /rounds/],
    ['item', 'timestamp(0) with time zone', {}, /rounds/],
    ['item', 'timestamp without time zone', {}, /which moment/],
    ['item', 'jsonb', {}, /no type of a key/],
    [
      'minute',
      'timestamp without time zone',
      {},
      /cannot hold the start of a window: use timestamp with time zone/,
    ],
    ['minute', 'date', {}, /cannot hold the start of a window/],
    ['minute', 'text', {}, /cannot hold the start of a window/],
    ['orders', 'double precision', {}, /use bigint/],
    ['orders', 'text', {}, /use bigint/],
    ['quantity', 'real', {}, /use bigint/],
    ['quantity', 'numeric(10,-2)', {}, /use bigint/],
    ['revenue', 'numeric(14,1)', {}, /fewer digits .* the scale 2/],
    ['revenue', 'double precision', {}, /not an exact decimal: use numeric\(..., 2\)/],
    ['revenue', 'bigint', {}, /not an exact decimal/],
    ['revenue', 'numeric(14,2)', { generated: true }, /generated by the server/],
    ['weight', 'real', {}, /use double precision/],
    ['weight', 'numeric', {}, /use double precision/],
    ['price_sum', 'double precision', {}, /not an exact decimal/],
    ['price_sum', 'numeric(14,1)', {}, /fewer digits/],
    ['last', 'citext', {}, /order values in another way/],
    ['last', 'character(3)', {}, /order values in another way/],
    ['last', 'timestamp(0) with time zone', {}, /rounds/],
    ['last_by', 'timestamp(2) with time zone', {}, /two values for one/],
    ['last_by', 'double precision', {}, /two values for one/],
    ['last_by', 'numeric(12,2)', {}, /two values for one/],
    ['last_by', 'text', {}, /use bigint, numeric without a scale/],
    ['price_count', 'double precision', {}, /use bigint/],
    ['highest', 'text', {}, /cannot hold a max exactly/],
    ['highest', 'real', {}, /cannot hold a max exactly/],
    ['extra', 'text', {}, /'extra' is NOT NULL without a default/],
  ])('column %s as %s (%o) is one problem, with its cure', (name, type, change, reason) => {
    expect(checkSinkTable(merged.plan, withColumn(column(name, type, change)))).toEqual([
      expect.stringMatching(reason),
    ])
  })

  test.each<[string, string, Partial<ColumnDescription>]>([
    ['item', 'character varying(64)', {}],
    ['item', 'uuid', {}],
    ['item', 'numeric', {}],
    ['item', 'bigint', {}],
    ['item', 'timestamp(3) with time zone', {}],
    ['minute', 'timestamp(0) with time zone', {}],
    ['orders', 'integer', {}],
    ['quantity', 'numeric(20,0)', {}],
    ['quantity', 'numeric', {}],
    ['revenue', 'numeric', {}],
    ['revenue', 'numeric(20,6)', {}],
    ['highest', 'timestamp with time zone', {}],
    ['last', 'numeric(12,2)', {}],
    ['last', 'boolean', {}],
    ['last_by', 'bigint', {}],
    ['last_by', 'numeric', {}],
    ['last_by', 'timestamp(3) with time zone', {}],
    ['extra', 'text', { nullable: true }],
    ['extra', 'text', { hasDefault: true }],
    ['extra', 'text', { generated: true }],
  ])('column %s as %s (%o) is fit', (name, type, change) => {
    expect(checkSinkTable(merged.plan, withColumn(column(name, type, change)))).toEqual([])
  })

  test('a hopping window begins at multiples of its distance, which its column must hold', () => {
    const { plan } = orders
      .groupBy({
        item: (o) => o.item,
        minute: hopping({ size: '1 second', every: '250 milliseconds' }, (o) => o.at),
      })
      .aggregate({ orders: count() })
      .into(merge({ table: 't' }))
    const problems = (type: string) =>
      checkSinkTable(plan, {
        ...table,
        columns: [columns[0], column('minute', type), columns[2]].flatMap((c) => c ?? []),
      })
    expect(problems('timestamp(0) with time zone')).toEqual([expect.stringMatching(/rounds the window/)])
    expect(problems('timestamp(2) with time zone')).toEqual([])
    expect(problems('text')).toEqual([expect.stringMatching(/cannot hold the start of a window/)])
  })

  test('a window shorter than the precision of its column is a problem', () => {
    const { plan } = orders
      .groupBy({ item: (o) => o.item, minute: tumbling('250 milliseconds', (o) => o.at) })
      .aggregate({ orders: count() })
      .into(merge({ table: 't' }))
    const columnsOf = (type: string) =>
      [columns[0], column('minute', type), columns[2]].flatMap((c) => c ?? [])
    const problems = (type: string) => checkSinkTable(plan, { ...table, columns: columnsOf(type) })
    expect(problems('timestamp(1) with time zone')).toEqual([expect.stringMatching(/rounds the window/)])
    expect(problems('timestamp(2) with time zone')).toEqual([])
    expect(problems('timestamp(3) with time zone')).toEqual([])
  })

  test('that does not exist is the only problem', () => {
    expect(checkSinkTable(merged.plan, null)).toEqual([
      expect.stringMatching(/orders_by_item does not exist/),
    ])
  })
})

describe('a table for append', () => {
  const { plan } = orders.into(
    append<Order>({
      table: 't',
      columns: { amount: 'price' },
      meta: { topic: 'tp', partition: 'p', offset: 'o', timestamp: 'ts' },
    }),
  )
  const fit = [
    column('price', 'money'),
    column('tp', 'text'),
    column('p', 'integer'),
    column('o', 'bigint'),
    column('ts', 'timestamp with time zone'),
    column('item', 'text'),
  ]
  const problemsWith = (changed: ColumnDescription) =>
    checkSinkTable(plan, { ...table, columns: [...fit.filter(({ name }) => name !== changed.name), changed] })

  test('needs no key, and INSERT only', () => {
    expect(
      checkSinkTable(plan, {
        ...table,
        columns: fit,
        uniqueKeys: [],
        missingPrivileges: ['SELECT', 'UPDATE'],
      }),
    ).toEqual([])
    expect(checkSinkTable(plan, { ...table, columns: fit, missingPrivileges: ['INSERT'] })).toEqual([
      expect.stringMatching(/GRANT INSERT/),
    ])
  })

  test('has every column that the sink names, of a type that holds the coordinate', () => {
    expect(checkSinkTable(plan, { ...table, columns: fit.slice(1) })).toEqual([
      expect.stringMatching(/no column 'price'/),
    ])
    expect(problemsWith(column('o', 'text'))).toEqual([expect.stringMatching(/offset is text: use bigint/)])
    expect(problemsWith(column('ts', 'date'))).toEqual([
      expect.stringMatching(/use timestamp with time zone/),
    ])
    expect(problemsWith(column('tp', 'bigint'))).toEqual([expect.stringMatching(/use text/)])
  })
})

test('sinks of user code declare no table', () => {
  expect(checkSinkTable(orders.into(write(async () => {})).plan, null)).toEqual([])
})

describe('a table for upsert', () => {
  const changes = from({ kind: 'test', startFrom: 'earliest' }).decode(
    nullable(json<{ minute: string; n: number }>()),
  )
  const plan = (tombstones: 'skip' | 'fail', columnsOf: Record<string, string> = {}) =>
    changes.into(upsert({ table: 't', key: ['minute'], tombstones, columns: columnsOf })).plan
  const deleting = changes.into(
    upsert({ table: 't', key: { item: (m) => String(m.key) }, tombstones: 'delete' }),
  ).plan
  const keyed = { ...table, uniqueKeys: [['minute'], ['item']] }

  test('needs its keys, the columns that are named, and the right to delete only where it deletes', () => {
    const noDelete = { ...keyed, missingPrivileges: ['DELETE'] }
    expect(checkSinkTable(plan('skip'), noDelete)).toEqual([])
    expect(checkSinkTable(deleting, keyed)).toEqual([])
    expect(checkSinkTable(deleting, noDelete)).toEqual([
      `table ${table.qualifiedName}: this role lacks DELETE on it: GRANT DELETE`,
    ])
    expect(checkSinkTable(plan('skip', { n: 'missing' }), keyed)).toEqual([
      expect.stringMatching(/it has no column 'missing'/),
    ])
    expect(checkSinkTable(plan('skip', { minute: 'last' }), keyed)).toEqual([
      expect.stringMatching(/key column 'last' may be NULL/),
      expect.stringMatching(/exactly on \(last\)/),
    ])
  })
})
