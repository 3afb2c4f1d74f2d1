import {
  count,
  defineJob,
  fileHandoff,
  from,
  json,
  kafka,
  merge,
  mysql,
  postgres,
  sumDecimal,
  text,
  timestamp,
  tumbling,
} from 'oncesink'

interface Payment {
  account: string
  amount: number
  day: string
}

const url = process.env.DATABASE_URL
const brokers = (process.env.KAFKA_BROKERS ?? 'localhost:9092').split(',')

/** Turnover of each account and day. Computing holds no database connection: a loader brings its files into the database. */
export default defineJob({
  name: 'payments-by-day',
  database: url?.startsWith('mysql:')
    ? mysql({ connectionString: url })
    : postgres({ connectionString: url }),
  pipeline: from(
    kafka({ brokers, topics: [process.env.PAYMENTS_TOPIC ?? 'payments'], startFrom: 'earliest' }),
  )
    .decode(json<Payment>())
    .groupBy({ account: (p) => p.account, day: tumbling('1 day', (p) => p.day) })
    .aggregate({ payments: count(), turnover: sumDecimal((p) => p.amount, { scale: 2 }) })
    .into(
      merge({
        table: 'payments_by_day',
        createTable: { account: text({ maxLength: 34 }), day: timestamp() },
      }),
    ),
  strategy: fileHandoff({ directory: process.env.HANDOFF_DIRECTORY ?? 'handoff' }),
})
