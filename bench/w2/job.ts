import {
  append,
  decimal,
  defineJob,
  fields,
  from,
  json,
  kafka,
  mysql,
  perPartition,
  postgres,
  repartitionToOne,
  type StrategyPlan,
  text,
  timestamp,
} from 'oncesink'

interface Order {
  readonly item: string
  readonly user: string
  readonly amount: number
  readonly at: string
}

const env = (name: string) => process.env[name] ?? ''
const connectionString = env('BENCH_DATABASE_URL')

const strategies: Readonly<Record<string, StrategyPlan>> = {
  repartitionToOne: repartitionToOne(),
  perPartition: perPartition(),
}
const strategy = strategies[env('BENCH_STRATEGY')]

const source = from(
  kafka({ brokers: env('BENCH_BROKERS').split(','), topics: [env('BENCH_TOPIC')], startFrom: 'earliest' }),
)
const table = {
  table: env('BENCH_TABLE'),
  columns: { user: 'customer' },
  meta: { partition: 'part', offset: 'log_offset' },
} as const

/** Every order one row, read one way or the other. */
export default defineJob({
  name: `w2-${env('BENCH_RUN')}`,
  database: env('BENCH_ENGINE') === 'postgres' ? postgres({ connectionString }) : mysql({ connectionString }),
  ...(strategy && { strategy }),
  pipeline:
    env('BENCH_DECODER') === 'fields'
      ? source
          .decode(fields({ item: text(), user: text(), amount: decimal(2), at: timestamp() }))
          .into(append(table))
      : source.decode(json<Order>()).into(append(table)),
})
