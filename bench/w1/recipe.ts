/*
 * What a careful developer writes by hand: kafkajs and pg, totals and offsets in one transaction. Batches are as large
 * as kafkajs makes them, the totals of a batch are added up in memory and written with one statement, and the offsets
 * are those of the database: they are read at the start and sought, and moved under a condition.
 */
import kafkajs from 'kafkajs'
import pg from 'pg'
import { decompress } from '../../src/source/kafka/codecs.ts'

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs
const env = (name: string) => process.env[name] ?? ''
const [topic, records] = [env('BENCH_TOPIC'), Number(env('BENCH_RECORDS'))]
const megabytes = 2 ** 20

CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async () => {
    throw new Error('nothing is produced here')
  },
  decompress: async (bytes: Buffer) => decompress(3, bytes),
})

const db = new pg.Client(env('BENCH_DATABASE_URL'))
await db.connect()
const stored = await db.query<{ partition: number; next_offset: string }>(
  'SELECT partition, next_offset FROM recipe_offsets',
)

const kafka = new Kafka({
  clientId: 'recipe',
  brokers: env('BENCH_BROKERS').split(','),
  logLevel: logLevel.ERROR,
})
const consumer = kafka.consumer({
  groupId: `recipe-${env('BENCH_RUN')}`,
  maxBytesPerPartition: 5 * megabytes,
  maxBytes: 20 * megabytes,
  maxWaitTimeInMs: 100,
  allowAutoTopicCreation: false,
})
await consumer.connect()
await consumer.subscribe({ topics: [topic], fromBeginning: true })

let [seen, beganAt] = [0, 0]
let finish = () => {}
const finished = new Promise<void>((resolve) => {
  finish = resolve
})

await consumer.run({
  autoCommit: false,
  eachBatchAutoResolve: true,
  eachBatch: async ({ batch }) => {
    if (beganAt === 0) beganAt = performance.now()
    const totals = new Map<string, { orders: number; cents: number }>()
    for (const { value } of batch.messages) {
      if (value === null) continue
      const order = JSON.parse(value.toString()) as { item: string; amount: number }
      const cents = Math.round(order.amount * 100)
      const total = totals.get(order.item)
      if (total === undefined) totals.set(order.item, { orders: 1, cents })
      else {
        total.orders += 1
        total.cents += cents
      }
    }
    const items = [...totals.keys()].sort()
    await db.query('BEGIN')
    const moved = await db.query({
      name: 'move',
      text: 'UPDATE recipe_offsets SET next_offset = $3 WHERE partition = $1 AND next_offset = $2',
      values: [batch.partition, batch.firstOffset(), String(BigInt(batch.lastOffset()) + 1n)],
    })
    if (moved.rowCount !== 1) throw new Error('somebody else has moved the offset')
    await db.query({
      name: 'merge',
      text: `INSERT INTO orders_${env('BENCH_RUN')} AS t (item, orders, revenue)
             SELECT * FROM unnest($1::text[], $2::bigint[], $3::numeric[])
             ON CONFLICT (item) DO UPDATE SET orders = t.orders + excluded.orders, revenue = t.revenue + excluded.revenue`,
      values: [
        items,
        items.map((item) => totals.get(item)?.orders),
        items.map((item) => ((totals.get(item)?.cents ?? 0) / 100).toFixed(2)),
      ],
    })
    await db.query('COMMIT')
    seen += batch.messages.length
    if (seen >= records) finish()
  },
})
for (const { partition, next_offset: offset } of stored.rows) consumer.seek({ topic, partition, offset })
await finished
const seconds = (performance.now() - beganAt) / 1_000
const { user, system } = process.cpuUsage()
console.log(
  JSON.stringify({
    perSecond: records / seconds,
    peakRssMib: process.resourceUsage().maxRSS / 1_024,
    cpuSeconds: (user + system) / 1e6,
  }),
)
await consumer.disconnect()
await db.end()
