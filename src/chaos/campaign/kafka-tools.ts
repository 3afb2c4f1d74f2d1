import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Admin, type Kafka as KafkaClient, type Message, type Producer } from 'kafkajs'

const { CompressionTypes, Kafka, logLevel } = kafkajs

/** Topics and records, from outside of any job. */
export class KafkaTools {
  readonly brokers: readonly string[]
  readonly client: KafkaClient
  readonly #admin: Admin
  #producer: Producer
  readonly #topics: string[] = []

  private constructor(brokers: readonly string[]) {
    this.brokers = brokers
    this.client = new Kafka({
      clientId: 'oncesink-chaos',
      brokers: [...brokers],
      logLevel: logLevel.NOTHING,
      requestTimeout: 10_000,
      // Brokers of a campaign are away for some seconds.
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 60 },
    })
    this.#admin = this.client.admin()
    this.#producer = this.#newProducer()
  }

  /** Idempotent: a send that the client repeats is stored once, or nobody would know what is in the topic. */
  #newProducer(): Producer {
    return this.client.producer({ idempotent: true, maxInFlightRequests: 1 })
  }

  static async connect(brokers: readonly string[]): Promise<KafkaTools> {
    const tools = new KafkaTools(brokers)
    await Promise.all([tools.#admin.connect(), tools.#producer.connect()])
    return tools
  }

  /** @returns its name, which begins with `stem` */
  async createTopic(stem: string, partitions: number, replicas: number): Promise<string> {
    const topic = `${stem}-${randomUUID().slice(0, 8)}`
    await patiently(() =>
      this.#admin.createTopics({
        waitForLeaders: true,
        topics: [
          {
            topic,
            numPartitions: partitions,
            replicationFactor: replicas,
            configEntries: replicas === 3 ? [{ name: 'min.insync.replicas', value: '2' }] : [],
          },
        ],
      }),
    )
    this.#topics.push(topic)
    // Known to whoever is asked from now on.
    await this.lengths(topic)
    return topic
  }

  /**
   * Appends records, acknowledged by all replicas before it resolves. Where a broker was killed, the log may hold some of
   * them twice: then the client may have lost count of what it has sent, and a new one sends everything once more.
   */
  async produce(topic: string, messages: Message[]): Promise<void> {
    const send = () => this.#sendByPartition(topic, messages)
    try {
      await send()
    } catch (error) {
      if (!hasLostCount(error)) throw error
      const lost = this.#producer
      this.#producer = this.#newProducer()
      await Promise.all([lost.disconnect(), this.#producer.connect()])
      await send()
    }
  }

  /**
   * Each partition in a call of its own. When a call has several, and one fails because its broker is away, the client
   * asks only brokers that have not answered yet: where one that has is the partition's leader by then, its records are
   * never sent, and the call says that all went well (kafkajs 2.2.4, producer/sendMessages.js).
   */
  async #sendByPartition(topic: string, messages: readonly Message[]): Promise<void> {
    const byPartition = new Map<number | undefined, Message[]>()
    for (const message of messages) {
      const known = byPartition.get(message.partition)
      if (known) known.push(message)
      else byPartition.set(message.partition, [message])
    }
    const sent = await Promise.allSettled(
      [...byPartition.values()].map((of) =>
        this.#producer.send({ topic, messages: of, acks: -1, compression: CompressionTypes.None }),
      ),
    )
    for (const outcome of sent) if (outcome.status === 'rejected') throw outcome.reason
  }

  /** Number of records of each partition, by the log's own bounds. */
  async lengths(topic: string): Promise<readonly number[]> {
    const offsets = await patiently(() => this.#admin.fetchTopicOffsets(topic))
    const lengths: number[] = []
    for (const { partition, high, low } of offsets) lengths[partition] = Number(high) - Number(low)
    return lengths
  }

  /** Everything that the topic holds, as a plain consumer reads it: by partition, in the order of the offsets. */
  async read<T>(topic: string, decode: (value: string) => T): Promise<readonly (readonly T[])[]> {
    const lengths = await this.lengths(topic)
    const records = lengths.map((): T[] => [])
    const consumer = this.client.consumer({ groupId: `${topic}-reader` })
    await consumer.connect()
    try {
      await consumer.subscribe({ topics: [topic], fromBeginning: true })
      let done = () => {}
      const complete = new Promise<void>((resolve) => {
        done = resolve
      })
      const isComplete = () =>
        lengths.every((length, partition) => (records[partition]?.length ?? 0) >= length)
      if (isComplete()) return records
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          const known = records[batch.partition]
          for (const { offset, value } of batch.messages) {
            // A batch that is read again begins before the end of what is known.
            if (known && Number(offset) === known.length) known.push(decode(String(value)))
          }
          if (isComplete()) done()
        },
      })
      await complete
      return records
    } finally {
      await consumer.disconnect()
    }
  }

  /** Resolves when all replicas of the topic are in sync. */
  async inSync(topic: string, boundMs: number): Promise<void> {
    const until = performance.now() + boundMs
    const missing = async () => {
      const { topics } = await patiently(() => this.#admin.fetchTopicMetadata({ topics: [topic] }))
      return topics
        .flatMap(({ partitions }) => partitions)
        .some(({ replicas, isr }) => isr.length < replicas.length)
    }
    while (await missing()) {
      if (performance.now() > until)
        throw new Error(`the replicas of ${topic} are not in sync after ${boundMs / 1_000} s`)
      await sleep(100)
    }
  }

  /** Deletes what was created here, for brokers that are not the campaigns' own. */
  async deleteTopics(): Promise<void> {
    // A client that has looked at topics asks for them again after it has deleted them, and fails.
    const admin = this.client.admin()
    await admin.connect()
    try {
      if (this.#topics.length > 0) await admin.deleteTopics({ topics: this.#topics.splice(0) })
    } finally {
      await admin.disconnect()
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#admin.disconnect(), this.#producer.disconnect()])
  }
}

/** How long a broker may not know a topic that was just created, in milliseconds. */
const NEW_TOPIC_MS = 30_000

/** Asks again while the broker does not know the topic: nothing of what was asked for has been done then. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const until = performance.now() + NEW_TOPIC_MS
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!isOfNewTopic(error) || performance.now() > until) throw error
      await sleep(200)
    }
  }
}

/** What brokers answer that have not heard of a new topic, or not of its leader. */
const ofNewTopics = ['UNKNOWN_TOPIC_OR_PARTITION', 'NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE']

const isOfNewTopic = (error: unknown): boolean => isOneOf(ofNewTopics, error)

/** What brokers answer to an idempotent producer that counts differently from them, or that they do not know any more. */
const ofCounts = ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH']

const hasLostCount = (error: unknown): boolean => isOneOf(ofCounts, error)

function isOneOf(types: readonly string[], error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { type } = error as { type?: unknown }
  if (typeof type === 'string' && types.includes(type)) return true
  return isOneOf(types, error.cause)
}
