import {
  append,
  collectThenCommit,
  count,
  defineJob,
  fileHandoff,
  from,
  json,
  kafka,
  merge,
  perPartition,
  postgres,
  repartitionToOne,
} from 'oncesink'

/** The job of strategies.ts: every record is a row, and counts in one of few groups. */
const { env } = process
const strategies = {
  collectThenCommit: () => collectThenCommit(),
  repartitionToOne: () => repartitionToOne(),
  perPartition: () => perPartition(),
  fileHandoff: () => fileHandoff({ directory: env.BENCH_DIRECTORY ?? '' }),
}
const orders = from(
  kafka({
    brokers: (env.BENCH_BROKERS ?? '').split(','),
    topics: [env.BENCH_TOPIC ?? ''],
    assignment: 'all',
  }),
).decode(json<{ item: string; amount: number; at: string }>())

export default defineJob({
  name: 'strategies',
  database: postgres({ connectionString: env.BENCH_DATABASE_URL }),
  pipeline:
    env.BENCH_SINK === 'merge'
      ? orders
          .groupBy({ item: (order) => order.item })
          .aggregate({ orders: count() })
          .into(merge({ table: 'items' }))
      : orders.map(({ item, amount, at }) => ({ item, amount, at })).into(append({ table: 'orders' })),
  strategy: strategies[env.BENCH_STRATEGY as keyof typeof strategies](),
})
