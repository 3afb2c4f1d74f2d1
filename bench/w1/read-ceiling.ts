/*
 * The reader alone: fetches everything and decodes the positions of records, as the job's own source does; no value is
 * touched, and there is no database.
 */

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

type Built<Path extends string> = Path
const dist = (path: string) => pathToFileURL(join(import.meta.dirname, '../../dist', path)).href
const built = async <Module>(path: Built<string>) => (await import(dist(path))) as Module

const { kafka } = await built<typeof import('../../src/index.ts')>('index.js')
const { createKafkaSource } = await built<typeof import('../../src/source/kafka/kafka-source.ts')>(
  'source/kafka/kafka-source.js',
)
const { systemRuntime } = await built<typeof import('../../src/runtime/runtime.ts')>('runtime/runtime.js')
const { EventBus } = await built<typeof import('../../src/telemetry/events.ts')>('telemetry/events.js')

const topic = process.env.BENCH_TOPIC ?? ''
const records = Number(process.env.BENCH_RECORDS)
const plan = kafka({
  brokers: (process.env.BENCH_BROKERS ?? '').split(','),
  topics: [topic],
  startFrom: 'earliest',
})
const maxBufferedBytes = 32 * 2 ** 20
const source = createKafkaSource(plan, { runtime: systemRuntime, events: new EventBus(), maxBufferedBytes })
await source.open()
const [described] = (await source.describe()).topics
if (!described) throw new Error(`there is no topic ${topic}`)
const positions = Array.from({ length: described.partitions }, (_, partition) => {
  return { topic, partition, nextOffset: 0n, leaderEpoch: -1, topicId: described.topicId }
})
const never = new AbortController().signal
const limits = { maxRecords: 100_000, maxBytes: 64 * 2 ** 20, maxWaitMs: 1_000, includeEmptyRanges: false }
await source.seek(positions)
const beganAt = performance.now()
let read = 0
while (read < records) {
  for (const range of await source.take({ ...limits, order: 'fair' }, never)) read += range.records
}
const seconds = (performance.now() - beganAt) / 1_000
await source.close()
console.log(JSON.stringify({ perSecond: records / seconds, read }))
