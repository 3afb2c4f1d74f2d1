import { count, decimal, defineJob, fields, from, kafka, merge, postgres, sumDecimal, text } from 'oncesink'

/** The job of digest.ts: groups are counted and summed from the bytes of records, the cheapest that there is per record. */
const { env } = process

export default defineJob({
  name: 'digest',
  database: postgres({ connectionString: env.BENCH_DATABASE_URL }),
  pipeline: from(
    kafka({
      brokers: (env.BENCH_BROKERS ?? '').split(','),
      topics: [env.BENCH_TOPIC ?? ''],
      assignment: 'all',
    }),
  )
    .decode(fields({ item: text(), amount: decimal(2) }))
    .groupBy({ item: (o) => o.item })
    .aggregate({ orders: count(), revenue: sumDecimal((o) => o.amount, { scale: 2 }) })
    .into(merge({ table: 'orders' })),
  ledger: { digest: env.BENCH_DIGEST === 'true' },
})
