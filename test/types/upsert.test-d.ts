import {
  boolean,
  document,
  from,
  integer,
  json,
  kafka,
  merge,
  nullable,
  optional,
  string,
  text,
  upsert,
} from 'oncesink'
import { describe, test } from 'vitest'

interface Customer {
  id: number
  name: string
  address?: { city: string }
}

const source = from(kafka({ brokers: ['localhost:9092'], topics: ['customers'] }))
const customers = source.decode(json<Customer>(), { key: string() })
const changes = source.decode(nullable(json<Customer>()), { key: string() })

describe('upsert', () => {
  test('takes its key from fields of the row, or from meta data', () => {
    customers.into(upsert({ table: 't', key: 'id' }))
    customers.into(upsert({ table: 't', key: ['id', 'name'], columns: { name: 'n' } }))
    customers.into(upsert({ table: 't', key: { customer: (meta) => meta.key.toLowerCase() } }))
    // @ts-expect-error there is no such field
    customers.into(upsert({ table: 't', key: 'uid' }))
    // @ts-expect-error there is no such field
    customers.into(upsert({ table: 't', key: ['id', 'uid'] }))
    // @ts-expect-error the key is text
    customers.into(upsert({ table: 't', key: { customer: (meta) => meta.key * 2 } }))
    // @ts-expect-error null is no key
    customers.into(upsert({ table: 't', key: { customer: () => null } }))
    // @ts-expect-error there is a key
    customers.into(upsert({ table: 't' }))
  })

  test('says what null means, where values may be null', () => {
    changes.into(upsert({ table: 't', key: { id: (meta) => meta.key }, tombstones: 'delete' }))
    changes.into(upsert({ table: 't', key: 'id', tombstones: 'skip' }))
    // @ts-expect-error values may be null
    changes.into(upsert({ table: 't', key: 'id' }))
    // @ts-expect-error null has no fields
    changes.into(upsert({ table: 't', key: 'id', tombstones: 'delete' }))
    // @ts-expect-error there is no such choice
    changes.into(upsert({ table: 't', key: 'id', tombstones: 'ignore' }))
  })

  test('takes names of columns for fields that there are, and for keys of meta data', () => {
    customers.into(upsert({ table: 't', key: { who: (meta) => meta.key }, columns: { name: 'n', who: 'w' } }))
    changes.into(
      upsert({ table: 't', key: { who: (meta) => meta.key }, tombstones: 'delete', columns: { who: 'w' } }),
    )
    // @ts-expect-error there is no such field
    customers.into(upsert({ table: 't', key: 'id', columns: { nmae: 'n' } }))
    // @ts-expect-error there is neither a field nor a key of that name
    customers.into(upsert({ table: 't', key: { who: (meta) => meta.key }, columns: { hwo: 'w' } }))
    // @ts-expect-error there is no such field
    changes.into(upsert({ table: 't', key: 'id', tombstones: 'skip', columns: { nmae: 'n' } }))
    // @ts-expect-error a column is a name
    customers.into(upsert({ table: 't', key: 'id', columns: { name: 1 } }))
  })

  test('declares the table by every field of a row, and every key that is made of meta data', () => {
    const [key, fields] = ['id', { id: integer(), name: text(), address: optional(document()) }] as const
    customers.into(upsert({ table: 't', key, createTable: fields }))
    changes.into(
      upsert({ table: 't', key, tombstones: 'skip', createTable: { ...fields, name: optional(text()) } }),
    )
    const who = text({ maxLength: 9 })
    customers.into(upsert({ table: 't', key: { who: (meta) => meta.key }, createTable: { ...fields, who } }))
    customers.into(upsert({ table: 't', key: { id: () => 1 }, createTable: fields }))
    changes.into(
      upsert({
        table: 't',
        key: { who: (meta) => meta.key, yes: () => true },
        tombstones: 'delete',
        createTable: { ...fields, who, yes: boolean() },
      }),
    )
    // @ts-expect-error the field address is not declared
    customers.into(upsert({ table: 't', key, createTable: { id: integer(), name: text() } }))
    // @ts-expect-error the key who is not declared
    customers.into(upsert({ table: 't', key: { who: (meta) => meta.key }, createTable: fields }))
    // @ts-expect-error the key who is not declared
    changes.into(upsert({ table: 't', key: { who: () => 1 }, tombstones: 'delete', createTable: fields }))
    // @ts-expect-error name is text
    customers.into(upsert({ table: 't', key, createTable: { ...fields, name: integer() } }))
    // @ts-expect-error there is no such field
    customers.into(upsert({ table: 't', key, createTable: { ...fields, colour: text() } }))
    // @ts-expect-error a key is no document
    customers.into(upsert({ table: 't', key: { who: () => 1 }, createTable: { ...fields, who: document() } }))
  })

  test('takes rows of column values and JSON', () => {
    // @ts-expect-error text is no row
    customers.map((c) => c.name).into(upsert({ table: 't', key: 'length' }))
    // @ts-expect-error JSON has no functions
    customers.map((c) => ({ id: c.id, f: { f: () => 1 } })).into(upsert({ table: 't', key: 'id' }))
    const grouped = customers.groupBy({ name: (c) => c.name })
    // @ts-expect-error aggregates are merged
    grouped.aggregate({}).into(upsert({ table: 't', key: 'name' }))
    // @ts-expect-error rows are not
    customers.into(merge({ table: 't' }))
  })
})
