import {
  append,
  avg,
  bytes,
  count,
  defineJob,
  from,
  hopping,
  type Job,
  json,
  kafka,
  max,
  maxBy,
  merge,
  min,
  nullable,
  type Pipeline,
  postgres,
  type RecordMeta,
  type StandardSchema,
  string,
  sum,
  sumDecimal,
  sumDouble,
  tumbling,
  write,
  writeResult,
} from 'oncesink'
import { describe, expectTypeOf, test } from 'vitest'

interface Order {
  item: string
  amount: number
  at: string
  note?: string
  customer: { id: string }
}

const orders = from(kafka({ brokers: ['localhost:9092'], topics: ['orders'] })).decode(json<Order>())
const grouped = orders.groupBy({ item: (o) => o.item, minute: tumbling('1 minute', (o) => o.at) })
const totals = grouped.aggregate({
  orders: count(),
  quantity: sum((o) => o.amount),
  revenue: sumDecimal((o) => o.amount, { scale: 2 }),
  largest: max((o) => o.amount),
  first: min((o) => new Date(o.at)),
})

describe('what compiles', () => {
  test('the job of the documentation', () => {
    const pipeline = orders
      .filter((o) => o.amount > 0)
      .groupBy({ item: (o) => o.item, minute: tumbling('1 minute', (o) => o.at) })
      .aggregate({ orders: count(), revenue: sumDecimal((o) => o.amount, { scale: 2 }) })
      .into(merge({ table: 'orders_by_item' }))
    expectTypeOf(pipeline).toEqualTypeOf<Pipeline>()
    const database = postgres({ connectionString: process.env.DATABASE_URL })
    expectTypeOf(defineJob({ name: 'orders', database, pipeline })).toEqualTypeOf<Job>()
    expectTypeOf(defineJob({ name: 'orders', database, pipeline: [pipeline, pipeline] })).toEqualTypeOf<Job>()
  })

  test('write is given rows of keys and results', () => {
    totals.into(
      write(async (trx, rows, batch) => {
        expectTypeOf(rows).toEqualTypeOf<
          readonly {
            readonly item: string
            readonly minute: Date
            readonly orders: number
            readonly quantity: bigint
            readonly revenue: string
            readonly largest: number | null
            readonly first: Date | null
          }[]
        >()
        expectTypeOf(batch.batchId).toBeString()
        await trx('t').insert([...rows])
      }),
    )
  })

  test('avg is two columns of the row', () => {
    const averages = orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ price: avg((o) => o.amount, { scale: 2 }), weight: sumDouble((o) => o.amount) })
    averages.into(
      write(async (_trx, rows) => {
        expectTypeOf(rows).toEqualTypeOf<
          readonly {
            readonly item: string
            readonly price_sum: string
            readonly price_count: number
            readonly weight: number
          }[]
        >()
      }),
    )
    averages.into(merge({ table: 't', columns: { price_sum: 'total' } }))
    // @ts-expect-error it has no column of its own name
    averages.into(merge({ table: 't', columns: { price: 'p' } }))
  })

  test('a hopping window is a Date in the row', () => {
    orders
      .groupBy({
        item: (o) => o.item,
        hour: hopping({ size: '1 hour', every: '5 minutes' }, (o) => o.at),
        day: tumbling('1 day', (o) => o.at),
      })
      .aggregate({ n: count() })
      .into(
        write(async (_trx, rows) => {
          expectTypeOf(rows).toEqualTypeOf<
            readonly { readonly item: string; readonly hour: Date; readonly day: Date; readonly n: number }[]
          >()
        }),
      )
  })

  test('maxBy is the value and what it was chosen by', () => {
    orders
      .groupBy({ item: (o) => o.item })
      .aggregate({ last: maxBy((o) => o.note, { by: (o) => new Date(o.at) }) })
      .into(
        write(async (_trx, rows) => {
          expectTypeOf(rows).toEqualTypeOf<
            readonly {
              readonly item: string
              readonly last: string | null
              readonly last_by: Date | null
            }[]
          >()
        }),
      )
  })

  test('merge renames columns by field', () => {
    totals.into(merge({ table: 't', columns: { revenue: 'rev', minute: 'at' } }))
  })

  test('steps infer what follows, and a type guard narrows it', () => {
    orders
      .map((o, meta) => {
        expectTypeOf(meta).toEqualTypeOf<RecordMeta>()
        return o.note
      })
      .filter((note) => note !== undefined)
      .flatMap((note) => note.split(' '))
      .filter((word): word is 'yes' | 'no' => word === 'yes' || word === 'no')
      .into(
        write(async (_trx, rows) => {
          expectTypeOf(rows).toEqualTypeOf<readonly ('yes' | 'no')[]>()
        }),
      )
  })

  test('append takes rows of column values, with their coordinates', () => {
    orders
      .map(({ item, amount, at, note }) => ({ item, amount, at: new Date(at), note }))
      .into(append({ table: 't', columns: { amount: 'a' }, meta: { partition: 'p', offset: 'o' } }))
  })

  test('reduce infers its accumulator and hands it to writeResult', () => {
    orders
      .reduce({
        zero: () => new Map<string, number>(),
        add: (totals, o) => totals.set(o.item, o.amount),
        merge: (a, b) => new Map([...a, ...b]),
      })
      .into(
        writeResult(async (_trx, result) => {
          expectTypeOf(result).toEqualTypeOf<Map<string, number>>()
        }),
      )
  })

  test('a decoded key has its type everywhere after', () => {
    const keyed = from(kafka({ brokers: ['localhost:9092'], topics: ['t'] })).decode(json<Order>(), {
      key: string(),
    })
    keyed
      .filter((_, meta) => meta.key.startsWith('a'))
      .map((o, meta) => {
        expectTypeOf(meta).toEqualTypeOf<RecordMeta<string>>()
        return o
      })
      .flatMap((o, meta) => [`${o.item}${meta.key.toUpperCase()}`])
      .reduce({ zero: () => '', add: (all, _, meta) => all + meta.key.trim(), merge: (a, b) => a + b })
    keyed
      .groupBy({
        id: (_, meta) => meta.key,
        minute: tumbling('1 minute', (o, meta) => (meta.key.length > 3 ? o.at : new Date(0))),
      })
      .aggregate({
        orders: count(),
        length: sum((_, meta) => meta.key.length),
        longest: max((_, meta) => meta.key.length),
        revenue: sumDecimal((_, meta) => meta.key.trim(), { scale: 2 }),
        price: avg((_, meta) => meta.key.length, { scale: 2 }),
        last: maxBy((o, meta) => o.item + meta.key.trim(), { by: (_, meta) => meta.key.length }),
      })
      .into(
        write(async (_trx, rows) => {
          expectTypeOf(rows[0]?.id).toEqualTypeOf<string | undefined>()
          expectTypeOf(rows[0]?.length).toEqualTypeOf<bigint | undefined>()
          expectTypeOf(rows[0]?.last).toEqualTypeOf<string | null | undefined>()
        }),
      )
    // What was made without a chain fits every key, as long as it does not look at it.
    keyed.groupBy({ item: (o) => o.item }).aggregate({ n: sum((o: Order) => o.amount) })
    orders.map((_, meta) => expectTypeOf(meta.key).toEqualTypeOf<Uint8Array | null>())
    const source = from(kafka({ brokers: ['localhost:9092'], topics: ['t'] }))
    source
      .decode(json<Order>(), { key: nullable(string()) })
      .map((_, meta) => expectTypeOf(meta.key).toEqualTypeOf<string | null>())
    source
      .decode(string(), { key: (key) => (key === null ? 0n : BigInt(key.length)) })
      .map((_, meta) => expectTypeOf(meta.key).toEqualTypeOf<bigint>())
    source
      .decode({} as StandardSchema<number>, { key: {} as StandardSchema<{ tenant: string }> })
      .map((_, meta) => expectTypeOf(meta.key.tenant).toEqualTypeOf<string>())
    // @ts-expect-error the key is text
    keyed.filter((_, meta) => meta.key > 3)
    // @ts-expect-error the key is text
    keyed.groupBy({ item: (o) => o.item }).aggregate({ n: sum((_, meta) => meta.key) })
    // @ts-expect-error without a decoder the key is bytes, or null
    orders.filter((_, meta) => meta.key.startsWith('a'))
    // @ts-expect-error there is no such option
    source.decode(json<Order>(), { keys: string() })
  })

  test('nullable adds null', () => {
    const source = from(kafka({ brokers: ['localhost:9092'], topics: ['t'] }))
    source.decode(nullable(json<Order>())).map((o) => expectTypeOf(o).toEqualTypeOf<Order | null>())
    source
      .decode(nullable(json<Order>()))
      .filter((o) => o !== null)
      .map((o) => expectTypeOf(o).toEqualTypeOf<Order>())
    source
      .decode(nullable({} as StandardSchema<number>))
      .map((n) => expectTypeOf(n).toEqualTypeOf<number | null>())
  })

  test('decoders and functions decide the type of values', () => {
    const source = from(kafka({ brokers: ['localhost:9092'], topics: ['t'] }))
    source.decode(string()).map((text) => expectTypeOf(text).toEqualTypeOf<string>())
    source.decode(bytes()).map((value) => expectTypeOf(value).toEqualTypeOf<Uint8Array>())
    source
      .decode((value, meta) => {
        expectTypeOf(value).toEqualTypeOf<Uint8Array | null>()
        return meta.offset
      })
      .map((offset) => expectTypeOf(offset).toEqualTypeOf<bigint>())
    // As libraries have it: more properties, and the input's type beside the output's.
    const schema = {} as {
      readonly parse: (value: unknown) => { cents: bigint }
      readonly '~standard': {
        readonly version: 1
        readonly vendor: string
        readonly validate: (
          value: unknown,
          options?: { readonly libraryOptions?: Record<string, unknown> },
        ) =>
          | { readonly value: { cents: bigint }; readonly issues?: undefined }
          | {
              readonly issues: readonly { readonly message: string; readonly path?: readonly PropertyKey[] }[]
            }
          | Promise<{ readonly value: { cents: bigint }; readonly issues?: undefined }>
        readonly types?: { readonly input: { cents: string }; readonly output: { cents: bigint } } | undefined
      }
    }
    source.decode(schema).map((value) => expectTypeOf(value).toEqualTypeOf<{ cents: bigint }>())
    const callable = Object.assign((_: unknown) => 'something else', schema)
    source.decode(callable).map((value) => expectTypeOf(value).toEqualTypeOf<{ cents: bigint }>())
    // @ts-expect-error not a version that is known
    source.decode({ '~standard': { ...schema['~standard'], version: 2 } })
    source.decode({} as StandardSchema<string>).map((value) => expectTypeOf(value).toEqualTypeOf<string>())
  })
})

describe('what does not compile', () => {
  test('a wrong field', () => {
    // @ts-expect-error there is no such field
    orders.filter((o) => o.amuont > 0)
    // @ts-expect-error there is no such field
    orders.groupBy({ item: (o) => o.itme })
    orders.groupBy({
      item: (o) => o.item,
      // @ts-expect-error there is no such field
      minute: tumbling('1 minute', (o) => o.time),
    })
    // @ts-expect-error there is no such field
    grouped.aggregate({ revenue: sumDecimal((o) => o.price, { scale: 2 }) })
  })

  test('a wrong type', () => {
    // @ts-expect-error text is not summed
    grouped.aggregate({ orders: count(), quantity: sum((o) => o.item) })
    // @ts-expect-error text has no minimum: it depends on the collation
    grouped.aggregate({ first: min((o) => o.item) })
    // @ts-expect-error an optional field may be undefined, which is no key
    orders.groupBy({ note: (o) => o.note })
    // @ts-expect-error an object is no key
    orders.groupBy({ customer: (o) => o.customer })
    // @ts-expect-error an object is no time
    tumbling('1 minute', (o: Order) => o.customer)
    // @ts-expect-error not a duration
    tumbling('1 fortnight', (o: Order) => o.at)
    // @ts-expect-error a scale is needed
    sumDecimal((o: Order) => o.amount)
    // @ts-expect-error there is no such field
    grouped.aggregate({ price: avg((o) => o.price, { scale: 2 }) })
    // @ts-expect-error text does not decide: its order depends on the collation
    grouped.aggregate({ last: maxBy((o) => o.amount, { by: (o) => o.at }) })
    // @ts-expect-error text is not summed as a double
    grouped.aggregate({ weight: sumDouble((o) => o.item) })
    // @ts-expect-error functions are synchronous
    orders.filter(async () => true)
    // @ts-expect-error functions are synchronous
    orders.groupBy({ item: async (o) => o.item })
  })

  test('an unknown column', () => {
    // @ts-expect-error there is no such field in the row
    totals.into(merge({ table: 't', columns: { turnover: 'rev' } }))
    // @ts-expect-error there is no such field in the row
    orders.map(({ item }) => ({ item })).into(append({ table: 't', columns: { itme: 'i' } }))
    // @ts-expect-error records have no such coordinate
    orders.map(({ item }) => ({ item })).into(append({ table: 't', meta: { broker: 'b' } }))
  })

  test('a key and an aggregate of one name', () => {
    grouped.aggregate({
      orders: count(),
      // @ts-expect-error the name is taken
      item: count(),
    })
    orders.groupBy({ price_sum: (o) => o.item }).aggregate({
      // @ts-expect-error the name of one of its columns is taken
      price: avg((o) => o.amount, { scale: 2 }),
    })
    orders.groupBy({ price: (o) => o.item }).aggregate({ price: avg((o) => o.amount, { scale: 2 }) })
  })

  test('two hopping windows in one group', () => {
    orders.groupBy({
      // @ts-expect-error there is another one
      hour: hopping({ size: '1 hour', every: '5 minutes' }, (o: Order) => o.at),
      // @ts-expect-error there is another one
      day: hopping({ size: '1 day', every: '1 hour' }, (o: Order) => o.at),
    })
    orders.groupBy({
      // @ts-expect-error there is no such field
      hour: hopping({ size: '1 hour', every: '5 minutes' }, (o) => o.time),
    })
    // @ts-expect-error functions are asked for one value
    orders.groupBy({ items: (o) => [o.item] })
  })

  test('a sink that does not fit', () => {
    // @ts-expect-error values have no keys to merge by
    orders.into(merge({ table: 't' }))
    // @ts-expect-error aggregates are not appended: another batch would write the same key again
    totals.into(append({ table: 't' }))
    // @ts-expect-error a reduced value is no row
    orders.reduce({ zero: () => 0, add: (n) => n + 1, merge: (a, b) => a + b }).into(write(async () => {}))
    // @ts-expect-error rows are no reduced value
    totals.into(writeResult(async () => {}))
    // An object of JSON is a document; one of something else is no column value.
    orders.into(append({ table: 't' }))
    // @ts-expect-error JSON has no bigints
    orders.map((o) => ({ customer: { ...o.customer, n: 1n } })).into(append({ table: 't' }))
    // @ts-expect-error JSON has no functions
    orders.map((o) => ({ list: [() => o] })).into(append({ table: 't' }))
    // @ts-expect-error JSON has no Dates
    orders.map((o) => ({ customer: { at: new Date(o.at) } })).into(append({ table: 't' }))
    // @ts-expect-error text is no row
    orders.map((o) => o.item).into(append({ table: 't' }))
  })

  test('a job without a part', () => {
    const pipeline = orders.into(write(async () => {}))
    const database = postgres({ connectionString: 'postgres://localhost/db' })
    // @ts-expect-error a job has a name
    defineJob({ database, pipeline })
    // @ts-expect-error a chain that does not end in a sink is no pipeline
    defineJob({ name: 'orders', database, pipeline: orders })
    // @ts-expect-error there is no such option
    defineJob({ name: 'orders', database, pipeline, retries: 3 })
    defineJob({ name: 'orders', database, pipeline, ledger: { digest: true } })
    // @ts-expect-error a digest is wanted or not
    defineJob({ name: 'orders', database, pipeline, ledger: { digest: 'xxh32' } })
  })
})
