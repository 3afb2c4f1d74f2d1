import { count, defineJob, from, json, kafka, merge, postgres, sumDecimal } from 'oncesink'

interface Order {
  readonly item: string
  readonly amount: number
}

const env = (name: string) => process.env[name] ?? ''

/** Count and sum by item, over whatever bench/backlog.ts has put there. */
export default defineJob({
  name: 'backlog',
  database: postgres({ connectionString: env('BENCH_DATABASE_URL') }),
  limits: { maxBufferedBytes: Number(env('BENCH_BUFFERED_MIB')) * 2 ** 20 },
  pipeline: from(
    kafka({ brokers: env('BENCH_BROKERS').split(','), topics: [env('BENCH_TOPIC')], startFrom: 'earliest' }),
  )
    .decode(json<Order>())
    .groupBy({ item: (order) => order.item })
    .aggregate({ orders: count(), revenue: sumDecimal((order) => order.amount, { scale: 2 }) })
    .into(merge({ table: 'orders_by_item' })),
})
