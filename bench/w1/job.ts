import {
  count,
  decimal,
  defineJob,
  fields,
  from,
  json,
  kafka,
  merge,
  mysql,
  postgres,
  sumDecimal,
  text,
} from 'oncesink'

interface Order {
  readonly item: string
  readonly amount: number
}

const env = (name: string) => process.env[name] ?? ''
const connectionString = env('BENCH_DATABASE_URL')

/** Count and sum by item, of orders read one way or the other. */
export default defineJob({
  name: `w1-${env('BENCH_RUN')}`,
  database: env('BENCH_ENGINE') === 'postgres' ? postgres({ connectionString }) : mysql({ connectionString }),
  pipeline: from(
    kafka({ brokers: env('BENCH_BROKERS').split(','), topics: [env('BENCH_TOPIC')], startFrom: 'earliest' }),
  )
    .decode(env('BENCH_DECODER') === 'fields' ? fields({ item: text(), amount: decimal(2) }) : json<Order>())
    .groupBy({ item: (order) => order.item })
    .aggregate({ orders: count(), revenue: sumDecimal((order) => order.amount, { scale: 2 }) })
    .into(merge({ table: `orders_${env('BENCH_RUN')}` })),
})
