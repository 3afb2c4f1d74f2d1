import kafkajs, { type Admin, type Producer } from 'kafkajs'
import { systemRandom } from '../../runtime/random.ts'
import { type LoggedEntry, PARTITIONS } from './contract-log.ts'
import { until } from './until.ts'

const { Kafka, logLevel, Partitioners } = kafkajs

/** Topics of the scenarios, and records for them, over one connection for all. */
export class ContractTopics {
  readonly #admin: Admin
  readonly #producer: Producer
  readonly #created: string[] = []

  private constructor(admin: Admin, producer: Producer) {
    this.#admin = admin
    this.#producer = producer
  }

  static async connect(brokers: readonly string[]): Promise<ContractTopics> {
    const kafka = new Kafka({
      clientId: 'oncesink-contract',
      brokers: [...brokers],
      logLevel: logLevel.NOTHING,
    })
    const admin = kafka.admin()
    // Idempotent: what the client repeats because one of the partitions was not ready is stored once in the others too.
    const producer = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await Promise.all([admin.connect(), producer.connect()])
    return new ContractTopics(admin, producer)
  }

  /** @returns its name, which is unique */
  async create(): Promise<string> {
    const topic = `oncesink-contract-${systemRandom.uuid()}`
    await this.#admin.createTopics({
      topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }],
      waitForLeaders: false,
    })
    await until(`the leaders of topic ${topic}`, async () => {
      // A broker may not have heard of it yet.
      const asked = await this.#admin.fetchTopicMetadata({ topics: [topic] }).catch(() => null)
      return asked?.topics[0]?.partitions.filter(({ leader }) => leader >= 0).length === PARTITIONS
    })
    this.#created.push(topic)
    return topic
  }

  /** Appends the records, acknowledged by the broker before it resolves. */
  async produce(topic: string, entries: readonly LoggedEntry[]): Promise<void> {
    const messages = entries.map(({ partition, offset: _, ...entry }) => ({
      partition,
      value: JSON.stringify(entry),
    }))
    await this.#producer.send({ topic, messages, acks: -1 })
  }

  /**
   * Deletes all topics: not before, because the producer asks for every topic that it has ever written to, and fails when
   * one of them is gone.
   */
  async close(): Promise<void> {
    await this.#admin.deleteTopics({ topics: this.#created })
    await Promise.all([this.#admin.disconnect(), this.#producer.disconnect()])
  }
}
