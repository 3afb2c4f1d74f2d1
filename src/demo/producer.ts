import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { OncesinkError } from '../errors.ts'
import { SeededRandom } from '../runtime/seeded-random.ts'
import { nextOrder, orderJson } from './orders.ts'
import type { ExpectedTotals } from './totals.ts'

const { Kafka, logLevel, CompressionTypes } = kafkajs

export const PARTITIONS = 4
const CHUNK_RECORDS = 500

export interface ProducerOptions {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly records: number
  readonly seed: number
  /** Records per second while the job is being killed. */
  readonly ratePerSecond: number
  readonly totals: ExpectedTotals
}

/**
 * Writes the seeded stream of orders and keeps the totals that they add up to.
 *
 * States: `paced` -> release() -> `unpaced` -> (all are written) -> `done`. Paced, it never writes more than
 * {@link allow} permits, so that every life of the job finds something to commit.
 */
export class OrderProducer {
  readonly #options: ProducerOptions
  readonly #random: SeededRandom
  #allowed = 0
  #released = false
  #produced = 0

  constructor(options: ProducerOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed)
  }

  get produced(): number {
    return this.#produced
  }

  /** Permits `records` in all. */
  allow(records: number): void {
    this.#allowed = Math.max(this.#allowed, Math.min(records, this.#options.records))
  }

  /** Everything that is left, as fast as it goes. */
  release(): void {
    this.#released = true
    this.allow(this.#options.records)
  }

  /**
   * Writes until all records are written or `signal` is aborted. Idempotent: a send that the client repeats is
   * stored once, or the producer's own count would not be what is in the topic.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { brokers, records, ratePerSecond } = this.#options
    const kafka = new Kafka({ clientId: 'oncesink-demo', brokers: [...brokers], logLevel: logLevel.NOTHING })
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
    })
    await producer.connect()
    try {
      let dueMs = performance.now()
      while (this.#produced < records && !signal.aborted) {
        const size = Math.min(CHUNK_RECORDS, this.#allowed - this.#produced)
        if (size <= 0) {
          await sleep(5)
          dueMs = performance.now()
          continue
        }
        await producer.send({
          topic: this.#options.topic,
          acks: -1,
          compression: CompressionTypes.None,
          messages: Array.from({ length: size }, () => this.#next()),
        })
        dueMs += (size / ratePerSecond) * 1000
        const waitMs = dueMs - performance.now()
        if (waitMs > 0 && !this.#released) await sleep(waitMs)
      }
    } finally {
      await producer.disconnect()
    }
  }

  /** Counted when it is handed to the client: a send that fails ends the demo. */
  #next(): { value: string; partition: number } {
    const order = nextOrder(this.#random, this.#produced, this.#options.records)
    this.#options.totals.add(order)
    this.#produced += 1
    return { value: orderJson(order), partition: this.#random.integer(0, PARTITIONS - 1) }
  }
}

export async function createTopic(brokers: readonly string[], topic: string): Promise<void> {
  await withAdmin(brokers, async (admin) => {
    const created = await admin.createTopics({
      topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }],
      waitForLeaders: true,
    })
    if (created) return
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `topic '${topic}' exists already at ${brokers.join(',')}: the demo writes only to a topic of its own. Delete it, or unset ONCESINK_KAFKA_BROKERS.`,
    )
  })
}

export async function deleteTopic(brokers: readonly string[], topic: string): Promise<void> {
  await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [topic] }))
}

/** Number of records in the topic: the ends of its partitions, for none was ever deleted. */
export async function recordsInTopic(brokers: readonly string[], topic: string): Promise<number> {
  return withAdmin(brokers, async (admin) => {
    const offsets = await admin.fetchTopicOffsets(topic)
    return offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0)
  })
}

type Admin = ReturnType<InstanceType<typeof Kafka>['admin']>

async function withAdmin<T>(brokers: readonly string[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({
    clientId: 'oncesink-demo',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
  }).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}
