import {
  count,
  decimal,
  defineJob,
  fields,
  from,
  hopping,
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
  readonly at: string
}

const env = (name: string) => process.env[name] ?? ''
const connectionString = env('BENCH_DATABASE_URL')

/** Count and sum by item and two-minute window, one every minute. */
export default defineJob({
  name: `w3-${env('BENCH_RUN')}`,
  database: env('BENCH_ENGINE') === 'postgres' ? postgres({ connectionString }) : mysql({ connectionString }),
  pipeline: from(
    kafka({ brokers: env('BENCH_BROKERS').split(','), topics: [env('BENCH_TOPIC')], startFrom: 'earliest' }),
  )
    .decode(
      env('BENCH_DECODER') === 'fields'
        ? fields({ item: text(), amount: decimal(2), at: text() })
        : json<Order>(),
    )
    .groupBy({
      item: (order) => order.item,
      minute: hopping({ size: '2 minutes', every: '1 minute' }, (order) => order.at),
    })
    .aggregate({ orders: count(), revenue: sumDecimal((order) => order.amount, { scale: 2 }) })
    .into(merge({ table: `windows_${env('BENCH_RUN')}` })),
})
