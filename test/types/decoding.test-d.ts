import { type as ark } from 'arktype'
import {
  boolean,
  decimal,
  document,
  type Field,
  type FieldsOf,
  fields,
  from,
  integer,
  type JsonArray,
  type JsonObject,
  json,
  kafka,
  nullable,
  optional,
  text,
  timestamp,
} from 'oncesink'
import * as v from 'valibot'
import { describe, expectTypeOf, test } from 'vitest'
import * as z from 'zod'

const source = from(kafka({ brokers: ['localhost:9092'], topics: ['t'] }))

describe('fields', () => {
  test('type the job', () => {
    const order = fields({
      item: text(),
      amount: decimal(2),
      paid: boolean(),
      at: timestamp(),
      customer: text({ path: 'customer.id' }),
      note: optional(text()),
      tags: document<string[]>(),
      more: document(),
    })
    interface Expected {
      readonly item: string
      readonly amount: number
      readonly paid: boolean
      readonly at: Date
      readonly customer: string
      readonly note: string | null
      readonly tags: string[]
      readonly more: JsonObject | JsonArray
    }
    expectTypeOf<FieldsOf<typeof order.fields>>().toEqualTypeOf<Expected>()
    source.decode(order).map((o) => {
      expectTypeOf(o).toEqualTypeOf<Expected>()
      // @ts-expect-error there is no such field
      return o.itme
    })
    source.decode(nullable(order)).map((o) => expectTypeOf(o).toEqualTypeOf<Expected | null>())
    source
      .decode(json<number>(), { key: fields({ tenant: text(), id: integer() }) })
      .map((_, { key }) =>
        expectTypeOf(key).toEqualTypeOf<{ readonly tenant: string; readonly id: number }>(),
      )
  })

  test('are what they say', () => {
    expectTypeOf(optional(timestamp())).toEqualTypeOf<Field<Date | null>>()
    // @ts-expect-error a scale is needed
    decimal()
    // @ts-expect-error there is no such option
    text({ maxLenght: 3 })
    // @ts-expect-error a field, not its builder
    fields({ item: text })
  })
})

describe('schemas of libraries', () => {
  interface Expected {
    item: string
    amount: number
    note?: string | undefined
  }

  test('zod', () => {
    const schema = z.object({ item: z.string(), amount: z.number(), note: z.string().optional() })
    source.decode(schema).map((o) => expectTypeOf(o).toEqualTypeOf<Expected>())
    const at = z.object({ at: z.iso.datetime().transform((text) => new Date(text)) })
    source.decode(at, { key: z.string() }).map((o, { key }) => {
      expectTypeOf(o).toEqualTypeOf<{ at: Date }>()
      expectTypeOf(key).toEqualTypeOf<string>()
      return o
    })
    source.decode(nullable(at)).map((o) => expectTypeOf(o).toEqualTypeOf<{ at: Date } | null>())
  })

  test('valibot', () => {
    const schema = v.object({ item: v.string(), amount: v.number(), note: v.optional(v.string()) })
    source.decode(schema).map((o) => expectTypeOf(o).toEqualTypeOf<Expected>())
    source.decode(schema, { key: v.pipe(v.string(), v.transform(Number)) }).map((_, { key }) => {
      return expectTypeOf(key).toEqualTypeOf<number>()
    })
  })

  test('arktype, whose schemas are functions', () => {
    const schema = ark({ item: 'string', amount: 'number', 'at?': 'string.date.iso.parse' })
    source
      .decode(schema)
      .map((o) => expectTypeOf(o).toEqualTypeOf<{ item: string; amount: number; at?: Date }>())
    source
      .decode(schema, { key: ark('string') })
      .map((_, { key }) => expectTypeOf(key).toEqualTypeOf<string>())
    source.decode(nullable(schema)).filter((o) => o !== null && o.amount > 0)
  })
})
