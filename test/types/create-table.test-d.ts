import {
  append,
  count,
  decimal,
  from,
  integer,
  json,
  kafka,
  max,
  merge,
  optional,
  sumDecimal,
  text,
  timestamp,
  tumbling,
} from 'oncesink'
import { describe, test } from 'vitest'

interface Order {
  item: string
  amount: number
  at: string
}

const orders = from(kafka({ brokers: ['localhost:9092'], topics: ['orders'] })).decode(json<Order>())
const totals = orders.groupBy({ item: (o) => o.item, minute: tumbling('1 minute', (o) => o.at) }).aggregate({
  orders: count(),
  revenue: sumDecimal((o) => o.amount, { scale: 2 }),
  top: max((o) => o.amount),
})
const table = 'orders_by_item'

describe('createTable', () => {
  test('of merge asks for every key; aggregates may be declared', () => {
    totals.into(merge({ table, createTable: { item: text({ maxLength: 64 }), minute: timestamp() } }))
    totals.into(merge({ table, createTable: { item: text(), minute: timestamp(), top: integer() } }))
    // @ts-expect-error the key minute is not declared
    totals.into(merge({ table, createTable: { item: text() } }))
    // @ts-expect-error item is text
    totals.into(merge({ table, createTable: { item: integer(), minute: timestamp() } }))
    // @ts-expect-error a key is never null
    totals.into(merge({ table, createTable: { item: optional(text()), minute: timestamp() } }))
    // @ts-expect-error the row has no such column
    totals.into(merge({ table, createTable: { item: text(), minute: timestamp(), colour: text() } }))
  })

  test('of append asks for every field of a row', () => {
    const rows = orders.map(({ item, amount }) => ({ item, amount }))
    rows.into(append({ table, createTable: { item: text(), amount: decimal(2) } }))
    rows.into(append({ table, createTable: { item: optional(text()), amount: decimal(2) } }))
    // @ts-expect-error the field amount is not declared
    rows.into(append({ table, createTable: { item: text() } }))
    // @ts-expect-error amount is a number
    rows.into(append({ table, createTable: { item: text(), amount: text() } }))
    // @ts-expect-error the row has no such field
    rows.into(append({ table, createTable: { item: text(), amount: decimal(2), colour: text() } }))
  })
})
