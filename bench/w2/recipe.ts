/*
 * What a careful developer writes by hand: kafkajs and pg, rows by COPY and offsets in one transaction. Batches are as
 * large as kafkajs makes them; the offsets are those of the database: they are read at the start and sought, and moved
 * under a condition.
 */
import { finished as streamFinished } from 'node:stream/promises'
import kafkajs from 'kafkajs'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

const { Kafka, logLevel } = kafkajs
const env = (name: string) => process.env[name] ?? ''
const [topic, records] = [env('BENCH_TOPIC'), Number(env('BENCH_RECORDS'))]
const megabytes = 2 ** 20

interface Order {
  readonly item: string
  readonly user: string
  readonly amount: number
  readonly at: string
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }
const special = /[\\\t\n\r]/
const field = (text: string) =>
  special.test(text) ? text.replace(/[\\\t\n\r]/g, (character) => escapes[character] ?? '') : text

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
  groupId: `recipe-${env('BENCH_TABLE')}`,
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
    const { partition } = batch
    let rows = ''
    for (const { value, offset } of batch.messages) {
      if (value === null) continue
      const { item, user, amount, at } = JSON.parse(value.toString()) as Order
      rows += `${field(item)}\t${field(user)}\t${amount}\t${field(at)}\t${partition}\t${offset}\n`
    }
    await db.query('BEGIN')
    const moved = await db.query({
      name: 'move',
      text: 'UPDATE recipe_offsets SET next_offset = $3 WHERE partition = $1 AND next_offset = $2',
      values: [partition, batch.firstOffset(), String(BigInt(batch.lastOffset()) + 1n)],
    })
    if (moved.rowCount !== 1) throw new Error('somebody else has moved the offset')
    const copy = db.query(copyFrom(`COPY ${env('BENCH_TABLE')} FROM STDIN`))
    copy.end(rows)
    await streamFinished(copy)
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
