import { append, defineJob, from, json, kafka, postgres, repartitionToOne } from 'oncesink'

interface Order {
  readonly item: string
  readonly user: string
  readonly amount: number
  readonly at: string
}

const env = (name: string) => process.env[name] ?? ''

/** Every record one row, all that bench/repartition.ts has put there in one batch. */
export default defineJob({
  name: 'repartition',
  database: postgres({ connectionString: env('BENCH_DATABASE_URL') }),
  strategy: repartitionToOne(JSON.parse(env('BENCH_STREAM') || '{}')),
  // The first batch is already as large as it may be: all that is there.
  trigger: { intervalMs: 1_000 },
  rate: { backpressure: true, initialRatePerPartition: 100_000_000 },
  limits: { maxRecordsPerBatch: 10_000_000 },
  pipeline: from(kafka({ brokers: env('BENCH_BROKERS').split(','), topics: [env('BENCH_TOPIC')] }))
    .decode(json<Order>())
    .into(append({ table: 'orders', meta: { partition: 'part', offset: 'log_offset' } })),
})
