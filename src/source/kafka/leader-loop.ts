import { invariant, OncesinkError } from '../../errors.ts'
import { topicPartitionKey } from '../../model/topic-partition.ts'
import { acceptFetched } from './accept-fetched.ts'
import { type BudgetedPartition, FetchBudget } from './fetch-budget.ts'
import { ErrorCode, errorCodeName, isRefusal } from './protocol/error-codes.ts'
import { type FetchPosition, type FetchResponse, fetchRequest } from './protocol/fetch.ts'
import type { ReadPartition } from './read-partition.ts'
import type { Reader } from './reader.ts'
import { ResponseAllowance } from './response-allowance.ts'
import { Wakeup } from './wakeup.ts'

type Lane = 'waiting' | 'express'

/** What one partition is asked for. */
interface Ask {
  readonly partition: ReadPartition
  readonly seekCounter: number
  readonly position: FetchPosition
}

/**
 * Fetches from one node. A broker answers the requests of a connection in order, so that whatever could be fetched
 * while a fetch is waiting there for records would have to wait too. Hence two lanes, on two connections:
 * - the *waiting* lane asks for every partition with room in its buffer, and waits at the broker for records;
 * - the *express* lane asks for what can be had meanwhile (a partition that was sought, or whose full buffer was
 *   drained) without waiting. A partition without records is left to the next turn of the waiting lane.
 *
 * States: `fetching` -> (the node fails) -> `suspended` -> resume() -> `fetching`; ends when the reader is closed.
 */
export class LeaderLoop {
  readonly nodeId: number
  readonly #reader: Reader
  readonly #wakeups: Record<Lane, Wakeup>
  readonly #allowance: ResponseAllowance
  /** What is being asked for, by partition. */
  readonly #outstanding = new Map<ReadPartition, Ask>()
  #suspended = false
  #isWaiting = false
  /** Whether a partition was not asked for that may be while somebody waits for records. */
  #isHoldingBack = false

  constructor(nodeId: number, reader: Reader) {
    this.nodeId = nodeId
    this.#reader = reader
    const { clock } = reader.runtime
    this.#allowance = new ResponseAllowance(reader.plan.fetch.maxBytes)
    this.#wakeups = { waiting: new Wakeup(clock), express: new Wakeup(clock) }
  }

  /** How the node is called in {@link Reader.report}. */
  get subject(): string {
    return `node ${this.nodeId}`
  }

  /** Says that there may be something new to fetch: partitions, or room for records. */
  wake(): void {
    this.#wakeups.waiting.wake()
    this.#wakeups.express.wake()
  }

  /** Says that somebody waits for records. */
  want(): void {
    if (this.#isHoldingBack) this.wake()
  }

  /** Tries again after the node has failed. */
  resume(): void {
    this.#suspended = false
    this.wake()
  }

  async run(): Promise<void> {
    await Promise.all([this.#run('waiting'), this.#run('express')])
  }

  async #run(lane: Lane): Promise<void> {
    const { closed } = this.#reader
    while (!closed.aborted) {
      const asks = this.#plan(lane)
      if (asks.length === 0) await this.#wakeups[lane].wait(Number.POSITIVE_INFINITY, closed)
      else if (lane === 'express') {
        await this.#fetch(asks, lane)
        // The waiting lane may have found nothing left to ask for meanwhile, and sleeps.
        this.#wakeups.waiting.wake()
      } else {
        this.#isWaiting = true
        await this.#fetch(asks, lane).finally(() => {
          this.#isWaiting = false
        })
      }
    }
  }

  #plan(lane: Lane): Ask[] {
    if (this.#suspended || (lane === 'express' && !this.#isWaiting)) return []
    const { partitions, maxBufferedBytes, plan } = this.#reader
    const free = [...partitions.values()].filter((partition) => this.#isFree(partition, lane))
    if (free.length === 0) return []
    const budgeted = budgetedPartitions(partitions.values())
    const budget = new FetchBudget(maxBufferedBytes, [...budgeted.values()])
    // Those that have waited longest for records go first: the broker fills a response in the order of the request.
    const asking = free
      .sort((a, b) => a.servedAt - b.servedAt)
      .flatMap((partition) => {
        const known = budgeted.get(partition)
        return known ? [{ partition, ...known }] : []
      })
    const bytes = budget.grant(asking, plan.fetch.maxBytesPerPartition)
    const asks: Ask[] = []
    let tight: Ask | null = null
    for (const [i, { partition, nextBatchBytes }] of asking.entries()) {
      const maxBytes = bytes[i] ?? 0
      if (maxBytes === 0) continue
      const { topic, partition: number, topicId, leaderEpoch, buffer, seekCounter } = partition
      const fetchOffset = buffer.fetchedUntil
      const position = { topic, partition: number, topicId, leaderEpoch, fetchOffset, maxBytes }
      const ask = { partition, seekCounter, position }
      if (maxBytes >= Math.min(nextBatchBytes, plan.fetch.maxBytesPerPartition)) asks.push(ask)
      else tight ??= ask
    }
    // A broker sends the first batch of a response whole, however little is asked for, and no other one.
    this.#isHoldingBack = tight !== null && !this.#mayExceedBudget(tight)
    return tight && !this.#isHoldingBack ? [tight, ...asks] : asks
  }

  /**
   * Whether somebody waits for records, who may wait for this very partition; or others, whose batches are smaller, have
   * left it too little of the memory over and over, and would for ever.
   */
  #mayExceedBudget({ partition: { servedAt } }: Ask): boolean {
    const { isAwaited, answers, partitions } = this.#reader
    return isAwaited || answers - servedAt > partitions.size
  }

  #isFree(partition: ReadPartition, lane: Lane): boolean {
    if (partition.leader !== this.nodeId || partition.state !== 'reading') return false
    if (lane === 'express' && partition.atEnd) return false
    const outstanding = this.#outstanding.get(partition)
    return outstanding === undefined || !isCurrent(outstanding)
  }

  async #fetch(asks: readonly Ask[], lane: Lane): Promise<void> {
    const { plan, brokers, troubles, closed } = this.#reader
    const { maxWaitMs, minBytes } = plan.fetch
    const isWaiting = lane === 'waiting'
    const limits = {
      isolation: plan.isolation,
      maxWaitMs: isWaiting ? maxWaitMs : 0,
      minBytes,
      maxBytes: this.#allowance.bytes,
    }
    const request = fetchRequest(
      asks.map(({ position }) => position),
      limits,
    )
    for (const ask of asks) {
      this.#outstanding.set(ask.partition, ask)
      ask.partition.reserve(ask.position.maxBytes)
    }
    try {
      const answer = isWaiting
        ? brokers.sendWaiting(this.nodeId, request)
        : brokers.sendTo(this.nodeId, request)
      const response = await answer
      if (response.errorCode !== ErrorCode.NONE) throw refusedWhole(this.subject, response.errorCode)
      this.#allowance.answered()
      troubles.recovered(this.subject)
      this.#accept(asks, response, limits.maxBytes)
    } catch (error) {
      if (!closed.aborted) this.#fail(asks, error)
    } finally {
      for (const ask of asks) {
        ask.partition.release(ask.position.maxBytes, ask.seekCounter)
        if (this.#outstanding.get(ask.partition) === ask) this.#outstanding.delete(ask.partition)
      }
    }
  }

  #fail(asks: readonly Ask[], error: unknown): void {
    this.#suspended = true
    if (!(error instanceof OncesinkError)) this.#reader.crash(error)
    else if (error.disposition === 'retry') {
      this.#allowance.failed(asks.reduce((bytes, { position }) => bytes + position.maxBytes, 0))
      this.#reader.report(this.subject, error)
    } else for (const { partition } of asks) this.#reader.fail(partition, error)
  }

  #accept(asks: readonly Ask[], response: FetchResponse, maxBytes: number): void {
    const byId = new Map(asks.map((ask) => [`${ask.position.topicId}/${ask.position.partition}`, ask]))
    this.#reader.answers += 1
    for (const fetched of response.partitions) {
      const ask = byId.get(`${fetched.topicId}/${fetched.partition}`)
      if (ask === undefined || !isCurrent(ask)) continue
      const { partition, position } = ask
      invariant(
        partition.buffer.fetchedUntil === position.fetchOffset,
        `an answer for ${topicPartitionKey(partition)} begins at ${position.fetchOffset}, the previous one ended at ` +
          `${partition.buffer.fetchedUntil}`,
      )
      const outcome = acceptFetched(partition, fetched, this.#reader.plan.isolation, response.bytes)
      if (outcome.kind === 'failed') this.#reader.fail(partition, outcome.error)
      else if (outcome.kind === 'troubled') {
        // It is left out from now on, until the caretaker has looked after it.
        partition.supersede(this.#reader.nextSeekCounter())
        this.#reader.report(topicPartitionKey(partition), outcome.error)
      } else {
        this.#reader.troubles.recovered(topicPartitionKey(partition))
        partition.atEnd = outcome.atEnd
        if (outcome.largestBatchBytes > 0) {
          partition.servedAt = this.#reader.answers
          partition.batchBytes = outcome.largestBatchBytes
        } else if (!outcome.atEnd && response.bytes + position.maxBytes <= maxBytes) {
          // There was room, and something to send: the next batch is larger than what was asked for.
          partition.batchBytes = Math.max(partition.batchBytes, 2 * position.maxBytes)
        }
      }
    }
    this.#reader.news.wake()
  }
}

/**
 * The next record batch of each partition may be as large as its last ones, or as those of its topic until it has had one;
 * at the end of the log, where one may come that is as small as can be, nothing is assumed.
 */
function budgetedPartitions(partitions: Iterable<ReadPartition>): Map<ReadPartition, BudgetedPartition> {
  const all = [...partitions]
  const ofTopic = new Map<string, number>()
  for (const { topic, batchBytes } of all) ofTopic.set(topic, Math.max(ofTopic.get(topic) ?? 0, batchBytes))
  return new Map(
    all.map((partition) => {
      const { topic, batchBytes, atEnd, claimedBytes } = partition
      const usual = batchBytes === 0 ? (ofTopic.get(topic) ?? 0) : batchBytes
      return [partition, { claimedBytes, nextBatchBytes: atEnd ? 0 : usual }]
    }),
  )
}

function refusedWhole(subject: string, errorCode: number): OncesinkError {
  const code = isRefusal(errorCode) ? 'SOURCE_REFUSED' : 'SOURCE_UNAVAILABLE'
  const message = `${subject} of the Kafka cluster answers a fetch with ${errorCodeName(errorCode)}; check its log`
  return new OncesinkError(code, message)
}

/** Whether nothing has moved the partition since it was asked for; an answer that comes later is refused. */
function isCurrent({ partition, seekCounter }: Ask): boolean {
  return partition.state === 'reading' && partition.seekCounter === seekCounter
}
