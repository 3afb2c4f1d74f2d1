import {
  append,
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
  timestamp,
  workerThreads,
} from 'oncesink'
import { strategyOf } from './measured-strategies.ts'

interface Order {
  readonly item: string
  readonly amount: number
}

const env = (name: string) => process.env[name] ?? ''
const connectionString = env('BENCH_DATABASE_URL')
const [run, workers, steps] = [env('BENCH_RUN'), Number(env('BENCH_WORKERS')), Number(env('BENCH_STEPS'))]

const orders = from(
  kafka({
    brokers: env('BENCH_BROKERS').split(','),
    topics: [env('BENCH_TOPIC')],
    startFrom: 'earliest',
    assignment: env('BENCH_ASSIGNMENT') === 'all' ? 'all' : 'group',
  }),
)

/** Takes `steps` steps and cannot be left out: a function of the job's own that takes its time. */
function work(amount: number): boolean {
  let x = amount
  for (let i = 0; i < steps; i++) x = Math.sqrt(x * x + i)
  return x >= 0
}

/** Every order a row. */
function rows() {
  const { item, user, amount, at } = { item: text(), user: text(), amount: decimal(2), at: timestamp() }
  return orders
    .decode(fields({ item, user, amount, at }))
    .into(append({ table: `orders_${run}`, meta: { partition: 'part', offset: 'log_offset' } }))
}

/** Count and sum by item, of orders read one way or the other. */
function totals() {
  const decoded = orders.decode(
    env('BENCH_DECODER') === 'fields' ? fields({ item: text(), amount: decimal(2) }) : json<Order>(),
  )
  return (steps > 0 ? decoded.filter(({ amount }) => work(amount)) : decoded)
    .groupBy({ item: (order) => order.item })
    .aggregate({ orders: count(), revenue: sumDecimal((order) => order.amount, { scale: 2 }) })
    .into(merge({ table: `orders_${run}` }))
}

export default defineJob({
  name: `orders-${run}`,
  database: env('BENCH_ENGINE') === 'postgres' ? postgres({ connectionString }) : mysql({ connectionString }),
  executor: workers > 0 ? workerThreads({ count: workers }) : 'inline',
  strategy: strategyOf(env('BENCH_STRATEGY')),
  pipeline: env('BENCH_SINK') === 'append' ? rows() : totals(),
})
