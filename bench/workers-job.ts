import { count, defineJob, from, json, kafka, merge, postgres, sumDecimal, workerThreads } from 'oncesink'

interface Order {
  readonly item: string
  readonly amount: number
}

const env = (name: string) => process.env[name] ?? ''
const workers = Number(env('BENCH_WORKERS'))
const steps = Number(env('BENCH_STEPS'))

/** Does something that takes `steps` steps and cannot be left out. */
function work({ amount }: Order): boolean {
  let x = amount
  for (let i = 0; i < steps; i++) x = Math.sqrt(x * x + i)
  return x >= 0
}

/** Count and sum by item, with a function of the job's own that takes its time. */
export default defineJob({
  name: `workers-${env('BENCH_RUN')}`,
  database: postgres({ connectionString: env('BENCH_DATABASE_URL') }),
  executor: workers === 0 ? 'inline' : workerThreads({ count: workers }),
  pipeline: from(
    kafka({ brokers: env('BENCH_BROKERS').split(','), topics: [env('BENCH_TOPIC')], startFrom: 'earliest' }),
  )
    .decode(json<Order>())
    .filter(work)
    .groupBy({ item: (order) => order.item })
    .aggregate({ orders: count(), revenue: sumDecimal((order) => order.amount, { scale: 2 }) })
    .into(merge({ table: `orders_${env('BENCH_RUN')}` })),
})
