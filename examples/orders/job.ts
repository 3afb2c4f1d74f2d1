import { count, defineJob, from, json, kafka, merge, mysql, postgres, sumDecimal, tumbling } from 'oncesink'

interface Order {
  item: string
  amount: number
  at: string
}

const url = process.env.DATABASE_URL
const brokers = (process.env.KAFKA_BROKERS ?? 'localhost:9092').split(',')

export default defineJob({
  name: 'orders-by-item',
  database: url?.startsWith('mysql:')
    ? mysql({ connectionString: url })
    : postgres({ connectionString: url }),
  pipeline: from(kafka({ brokers, topics: [process.env.ORDERS_TOPIC ?? 'orders'], startFrom: 'earliest' }))
    .decode(json<Order>())
    .filter((o) => o.amount > 0)
    .groupBy({ item: (o) => o.item, minute: tumbling('1 minute', (o) => o.at) })
    .aggregate({ orders: count(), revenue: sumDecimal((o) => o.amount, { scale: 2 }) })
    .into(merge({ table: 'orders_by_item' })),
})
