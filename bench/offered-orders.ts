import { setTimeout as sleep } from 'node:timers/promises'
import { nextOrder, orderJson } from '../src/demo/orders.ts'
import { SeededRandom } from '../src/runtime/seeded-random.ts'
import { openRawProducer } from '../test/support/raw-producer.ts'

/** One batch of records that has been offered, of one partition. */
export interface Offered {
  readonly partition: number
  /** Offset of its first record. */
  readonly from: number
  readonly records: number
  /** Their timestamp, in milliseconds since 1970: when they were handed to the producer. */
  readonly timestampMs: number
}

/**
 * Orders that are produced at a steady rate: a small batch every few milliseconds, to the partitions in turn. Nothing
 * else may produce to the topic, which is empty: then offsets are what was counted.
 */
export class OfferedOrders {
  readonly totals = new Map<string, { orders: number; cents: number }>()
  readonly batches: Offered[] = []
  records = 0
  readonly #random = new SeededRandom(11)
  #isStopped = false
  #running: Promise<void> = Promise.resolve()

  start(
    brokers: readonly string[],
    topic: string,
    { partitions, perSecond, everyMs }: { partitions: number; perSecond: number; everyMs: number },
  ): void {
    this.#running = this.#produce(brokers, topic, partitions, perSecond, everyMs)
    // It is waited for in stop().
    this.#running.catch(() => {})
  }

  /** @throws Error what producing has failed with */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #produce(
    brokers: readonly string[],
    topic: string,
    partitions: number,
    perSecond: number,
    everyMs: number,
  ): Promise<void> {
    const producer = await openRawProducer(brokers, topic)
    try {
      const sent: Promise<void>[] = []
      const next = Array.from({ length: partitions }, () => 0)
      const beganAt = performance.now()
      for (let turn = 0; !this.#isStopped; turn++) {
        const due = Math.floor(((performance.now() - beganAt) * perSecond) / 1_000) - this.records
        if (due > 0) {
          const partition = turn % partitions
          const from = next[partition] ?? 0
          const timestampMs = Date.now()
          const values = Array.from({ length: due }, () => this.#order())
          this.batches.push({ partition, from, records: due, timestampMs })
          next[partition] = from + due
          this.records += due
          sent.push(producer.send(partition, values, timestampMs))
        }
        await sleep(everyMs)
      }
      await Promise.all(sent)
    } finally {
      producer.close()
    }
  }

  #order(): string {
    const order = nextOrder(this.#random, 0, 1)
    const total = this.totals.get(order.item) ?? { orders: 0, cents: 0 }
    total.orders += 1
    total.cents += order.cents
    this.totals.set(order.item, total)
    return orderJson(order)
  }
}
