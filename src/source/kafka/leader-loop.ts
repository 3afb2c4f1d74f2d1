import { asError, OncesinkError } from '../../errors.ts'
import { topicPartitionKey } from '../../model/topic-partition.ts'
import { acceptFetched } from './accept-fetched.ts'
import { FetchBudget } from './fetch-budget.ts'
import { type FetchPosition, type FetchResponse, fetchRequest } from './protocol/fetch.ts'
import type { ReadPartition } from './read-partition.ts'
import type { Reader } from './reader.ts'
import { Wakeup } from './wakeup.ts'

/** What one partition is asked for. */
interface Ask {
  readonly partition: ReadPartition
  readonly seekCounter: number
  readonly position: FetchPosition
}

/** How long to wait between polls while a partition is left out, doubling, in milliseconds. */
const pollMs = { shortest: 10, longest: 100 }

/**
 * Fetches from one node, one request at a time (a broker answers a connection's requests in order).
 *
 * States: `fetching` -> (the node fails) -> `suspended` -> resume() -> `fetching`; ends when the reader is closed.
 *
 * While every partition that the node leads has room, a fetch waits at the broker until there are records. Once
 * one is left out because its buffer is full, such a wait would keep it out after it has been drained: then the
 * broker is only polled, and the waiting is done on this side, where taking records ends it.
 */
export class LeaderLoop {
  readonly nodeId: number
  readonly #reader: Reader
  readonly #wakeup: Wakeup
  #suspended = false
  #responses = 0
  #pollMs = pollMs.shortest

  constructor(nodeId: number, reader: Reader) {
    this.nodeId = nodeId
    this.#reader = reader
    this.#wakeup = new Wakeup(reader.runtime.clock)
  }

  /** How the node is called in {@link Reader.report}. */
  get subject(): string {
    return `node ${this.nodeId}`
  }

  /** Says that there may be something new to fetch: partitions, or room for records. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** Tries again after the node has failed. */
  resume(): void {
    this.#suspended = false
    this.#wakeup.wake()
  }

  async run(): Promise<void> {
    const { closed } = this.#reader
    while (!closed.aborted) {
      const { asks, leftOut } = this.#plan()
      if (asks.length === 0) {
        await this.#wakeup.wait(Number.POSITIVE_INFINITY, closed)
        continue
      }
      const brought = await this.#fetch(asks, leftOut)
      if (brought || !leftOut) this.#pollMs = pollMs.shortest
      else {
        await this.#wakeup.wait(this.#pollMs, closed)
        this.#pollMs = Math.min(this.#pollMs * 2, pollMs.longest)
      }
    }
  }

  #plan(): { readonly asks: Ask[]; readonly leftOut: boolean } {
    if (this.#suspended) return { asks: [], leftOut: false }
    const { partitions, maxBufferedBytes, plan } = this.#reader
    const budget = new FetchBudget(maxBufferedBytes, [...partitions.values()])
    const asks: Ask[] = []
    let leftOut = false
    // Those that have waited longest for records go first: the broker fills a response in the order of the request.
    const mine = [...partitions.values()].filter((p) => p.leader === this.nodeId && p.state === 'reading')
    for (const partition of mine.sort((a, b) => a.servedAt - b.servedAt)) {
      const maxBytes = budget.grant(partition, plan.fetch.maxBytesPerPartition)
      if (maxBytes === 0) {
        leftOut = true
        continue
      }
      const { topic, partition: number, topicId, leaderEpoch, buffer, seekCounter } = partition
      const fetchOffset = buffer.fetchedUntil
      const position = { topic, partition: number, topicId, leaderEpoch, fetchOffset, maxBytes }
      asks.push({ partition, seekCounter, position })
    }
    return { asks, leftOut }
  }

  /** @returns whether there were records */
  async #fetch(asks: readonly Ask[], poll: boolean): Promise<boolean> {
    const { plan, brokers, troubles, closed } = this.#reader
    const { maxWaitMs, minBytes, maxBytes } = plan.fetch
    const limits = { isolation: plan.isolation, maxWaitMs: poll ? 0 : maxWaitMs, minBytes, maxBytes }
    const positions = asks.map(({ position }) => position)
    for (const { partition, position } of asks) partition.reservedBytes += position.maxBytes
    let response: FetchResponse
    try {
      response = await brokers.fetch(this.nodeId, fetchRequest(positions, limits))
    } catch (error) {
      if (!closed.aborted) this.#fail(asks, error)
      return false
    } finally {
      for (const { partition, position } of asks) partition.reservedBytes -= position.maxBytes
    }
    troubles.recovered(this.subject)
    return this.#accept(asks, response)
  }

  #fail(asks: readonly Ask[], error: unknown): void {
    this.#suspended = true
    const reason = asError(error)
    if (!(reason instanceof OncesinkError) || reason.disposition === 'retry') {
      this.#reader.report(this.subject, reason)
    } else {
      for (const { partition } of asks) this.#reader.fail(partition, reason)
    }
  }

  #accept(asks: readonly Ask[], response: FetchResponse): boolean {
    const byId = new Map(asks.map((ask) => [`${ask.position.topicId}/${ask.position.partition}`, ask]))
    this.#responses += 1
    let brought = false
    for (const fetched of response.partitions) {
      const ask = byId.get(`${fetched.topicId}/${fetched.partition}`)
      if (ask === undefined || !this.#isCurrent(ask)) continue
      const { partition } = ask
      const outcome = acceptFetched(partition, fetched, this.#reader.plan.isolation, response.bytes)
      if (outcome.kind === 'failed') this.#reader.fail(partition, outcome.error)
      if (outcome.kind === 'troubled') {
        // It is left out from now on, until the caretaker has looked after it.
        partition.supersede(this.#reader.nextSeekCounter())
        this.#reader.report(topicPartitionKey(partition), outcome.error)
      }
      if (outcome.kind === 'accepted') {
        this.#reader.troubles.recovered(topicPartitionKey(partition))
        if (outcome.bytes > 0) {
          partition.servedAt = this.#responses
          brought = true
        }
      }
    }
    if (brought) this.#reader.news.wake()
    return brought
  }

  /** Whether nothing has moved the partition since it was asked for. */
  #isCurrent({ partition, seekCounter, position }: Ask): boolean {
    return (
      partition.state === 'reading' &&
      partition.seekCounter === seekCounter &&
      partition.buffer.fetchedUntil === position.fetchOffset
    )
  }
}
