import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Message, type Producer } from 'kafkajs'
import { SeededRandom } from '../runtime/seeded-random.ts'
import { asBytes, type RecordSource } from './records.ts'
import type { ChaosRecord } from './spec.ts'

const { Kafka, logLevel, Partitioners } = kafkajs

/** How often records are sent. */
const TICK_MS = 40
const MAX_CHUNK = 2_000
const RETRY_MS = 200

export interface StreamOptions {
  readonly brokers: readonly string[]
  readonly topics: readonly string[]
  /** Names of the run's topics, by those of the job's file. */
  readonly named: Readonly<Record<string, string>>
  readonly partitions: number
  readonly source: RecordSource
  readonly ratePerSecond: number
  readonly seed: number
  readonly signal: AbortSignal
}

/**
 * The stream of records into the job's topics while the run lasts. What it could not send, because brokers are away, it
 * sends again: then the log may hold a record twice, and each of them is one that counts. Judges read the log, not this.
 *
 * States: `idle` -> start() -> `flowing` <-> hold() / flow() -> stop() -> `idle`.
 */
export class RecordStream {
  readonly #options: StreamOptions
  readonly #random: SeededRandom
  readonly #kafka: InstanceType<typeof Kafka>
  #producer: Producer | null = null
  #sent = 0
  #made = 0
  #poisoned = 0
  #held = false
  #stopped = false
  #running: Promise<void> | null = null
  #partitions: number

  constructor(options: StreamOptions) {
    this.#options = options
    this.#partitions = options.partitions
    this.#random = new SeededRandom(options.seed ^ 0x2545f491)
    this.#kafka = kafkaClient(options.brokers)
  }

  /** Records that the brokers have acknowledged. */
  get sent(): number {
    return this.#sent
  }

  get topics(): readonly string[] {
    return this.#options.topics
  }

  async start(): Promise<void> {
    this.#stopped = false
    this.#producer = this.#kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
    })
    await this.#producer.connect()
    this.#running = this.#flow()
  }

  hold(): void {
    this.#held = true
  }

  flow(): void {
    this.#held = false
  }

  /** No record follows; resolves when the last one was sent. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
    await this.#producer?.disconnect().catch(() => {})
    this.#producer = null
  }

  /** The first topic has so many partitions from now on. The client must learn of them before it is sent there. */
  async widen(partitions: number): Promise<void> {
    await this.#producer?.disconnect().catch(() => {})
    await this.#producer?.connect()
    this.#partitions = partitions
  }

  /** Messages of the next `count` records, by topic, for whoever sends them by a way of his own. */
  next(count: number): Map<string, Message[]> {
    const messages = new Map<string, Message[]>()
    for (let i = 0; i < count; i++) {
      const record = this.#options.source.record(this.#made++, this.#random)
      this.#put(messages, record)
    }
    return messages
  }

  /** Sends `count` records that the job cannot process. */
  async poison(count: number): Promise<void> {
    const messages = new Map<string, Message[]>()
    for (let i = 0; i < count; i++) {
      this.#put(messages, this.#options.source.poison(this.#poisoned++, this.#random))
    }
    await this.#send(messages)
  }

  /** Sends `count` records at once. */
  async burst(count: number): Promise<void> {
    await this.#send(this.next(count))
  }

  #put(messages: Map<string, Message[]>, record: ChaosRecord): void {
    const { topics, named } = this.#options
    const topic = (record.topic === undefined ? topics[0] : named[record.topic]) ?? topics[0] ?? ''
    const key = asBytes(record.key)
    const message: Message = {
      value: asBytes(record.value),
      ...(key !== null && { key }),
      ...(record.headers && { headers: { ...record.headers } }),
      ...(record.timestamp !== undefined && { timestamp: String(record.timestamp) }),
      ...(record.partition !== undefined
        ? { partition: record.partition }
        : key === null && {
            partition: this.#random.integer(
              0,
              (topic === topics[0] ? this.#partitions : this.#options.partitions) - 1,
            ),
          }),
    }
    messages.set(topic, [...(messages.get(topic) ?? []), message])
  }

  async #flow(): Promise<void> {
    const { ratePerSecond } = this.#options
    let dueMs = performance.now()
    while (!this.#ended) {
      if (this.#held) {
        await sleep(TICK_MS)
        dueMs = performance.now()
        continue
      }
      const count = Math.min(MAX_CHUNK, Math.floor(((performance.now() - dueMs) / 1_000) * ratePerSecond))
      if (count > 0) {
        dueMs += (count / ratePerSecond) * 1_000
        // After a pause of the brokers' it does not make up for what it has missed.
        dueMs = Math.max(dueMs, performance.now() - 1_000)
        await this.#send(this.next(count))
      }
      await sleep(TICK_MS)
    }
  }

  get #ended(): boolean {
    return this.#stopped || this.#options.signal.aborted
  }

  async #send(messages: ReadonlyMap<string, Message[]>): Promise<void> {
    for (const [topic, list] of messages) {
      for (;;) {
        try {
          await this.#producer?.send({ topic, messages: list, acks: -1, timeout: 5_000 })
          this.#sent += list.length
          break
        } catch {
          if (this.#ended) return
          await sleep(RETRY_MS)
        }
      }
    }
  }
}

export function kafkaClient(brokers: readonly string[]): InstanceType<typeof Kafka> {
  return new Kafka({
    clientId: 'oncesink-chaos',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    requestTimeout: 8_000,
    connectionTimeout: 3_000,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 6 },
  })
}
