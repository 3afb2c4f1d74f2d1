import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { startKafka } from '../src/services/index.ts'

/** Topics that are there for one benchmark. */
export interface BenchTopics {
  readonly brokers: readonly string[]
  /** @returns the name of a new topic, of which nothing expires */
  create(stem: string, partitions: number): Promise<string>
  /** Deletes what was created. */
  close(): Promise<void>
}

export async function openTopics(): Promise<BenchTopics> {
  const server = await startKafka()
  const { brokers } = server
  const { NOTHING } = kafkajs.logLevel
  const admin = new kafkajs.Kafka({
    clientId: 'oncesink-bench',
    brokers: [...brokers],
    logLevel: NOTHING,
  }).admin()
  await admin.connect()
  const topics: string[] = []
  return {
    brokers,
    async create(stem, partitions) {
      const topic = `bench_${stem}_${process.pid}_${Date.now()}`
      // The records' timestamps are old: retention would take them at once.
      const configEntries = [{ name: 'retention.ms', value: '-1' }]
      await admin.createTopics({
        topics: [{ topic, numPartitions: partitions, configEntries }],
        waitForLeaders: false,
      })
      topics.push(topic)
      await hasLeaders(admin, topic, partitions)
      return topic
    },
    async close() {
      await admin.deleteTopics({ topics }).catch(() => {})
      await admin.disconnect()
      await server.stop()
    },
  }
}

/** Waits for all leaders; a broker may not have heard of the topic yet. @throws Error when that takes longer than 30 s */
async function hasLeaders(admin: kafkajs.Admin, topic: string, partitions: number): Promise<void> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const known = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => null)
    const led = known?.topics[0]?.partitions.filter(({ leader }) => leader >= 0).length ?? 0
    if (led === partitions) return
    if (Date.now() > deadline) throw new Error(`${led} of ${partitions} partitions of ${topic} have a leader`)
    await sleep(50)
  }
}
