import { append, defineJob, from, json, kafka, postgres } from 'oncesink'

const env = (name: string) => process.env[name] ?? ''

/** One row per record, into a table that bench/slow-database.ts makes slow and heals. */
export default defineJob({
  name: 'slow-database',
  database: postgres({ connectionString: env('BENCH_DATABASE_URL') }),
  trigger: { intervalMs: Number(env('BENCH_INTERVAL_MS')) },
  ...(env('BENCH_BACKPRESSURE') === 'true' && { rate: { backpressure: true } }),
  pipeline: from(
    kafka({ brokers: env('BENCH_BROKERS').split(','), topics: [env('BENCH_TOPIC')], startFrom: 'earliest' }),
  )
    .decode(json<{ item: string; amount: number }>())
    .map(({ item, amount }) => ({ item, amount }))
    .into(append({ table: 'orders' })),
})
