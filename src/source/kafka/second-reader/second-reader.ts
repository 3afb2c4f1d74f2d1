import { OncesinkError } from '../../../errors.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../../model/topic-partition.ts'
import { Backoff } from '../../../runtime/backoff.ts'
import type { Runtime } from '../../../runtime/runtime.ts'
import type {
  FetchedRange,
  LogSource,
  ReplayLimits,
  SeekPosition,
  Source,
  SourceDescription,
  Watermarks,
} from '../../source.ts'
import { Brokers } from '../brokers.ts'
import { topicRefused } from '../cluster-view.ts'
import { corrupt } from '../corrupt-batch.ts'
import { groupBy } from '../group-by.ts'
import type { KafkaSourcePlan } from '../options.ts'
import { topicRecreated } from '../position-check.ts'
import { ErrorCode, isRefusal } from '../protocol/error-codes.ts'
import { metadataRequest } from '../protocol/metadata.ts'
import { Wakeup } from '../wakeup.ts'
import { type Fetched, fetchRequest } from './fetch.ts'
import { Reading } from './reading.ts'

export interface SecondReaderDeps {
  readonly runtime: Runtime
  /** Bytes that are held in memory at once, as fetched, over all partitions. */
  readonly maxBufferedBytes: number
  /** Who is asked where topics are and begin and end, and whether positions hold; it reads no records, and is closed here. */
  readonly guide: Source
}

/**
 * Reads Kafka a second time, for the check of what the job has read: fetched as kafkajs asks for records and decoded by
 * kafkajs, with its own way to tell what was aborted and to go from offset to offset. It shares with the job's reader the
 * connections, the decompressors, and the questions about topics and log bounds, which say of what is there how it is
 * called, and none of which can leave out a record.
 */
export function createSecondReader(plan: KafkaSourcePlan, deps: SecondReaderDeps): LogSource {
  return new SecondReader(plan, deps)
}

/**
 * States: `new` -> open() -> `open` -> close() -> `closed`. Between a seek and a drop, {@link take} keeps one round of
 * fetches under way: one request to each leader of partitions of which everything fetched is taken.
 */
class SecondReader implements LogSource {
  readonly #plan: KafkaSourcePlan
  readonly #runtime: Runtime
  readonly #maxBufferedBytes: number
  readonly #guide: Source
  readonly #brokers: Brokers
  readonly #readings = new Map<string, Reading>()
  readonly #news: Wakeup
  readonly #backoff: Backoff
  readonly #closing = new AbortController()
  #round: Promise<void> | null = null
  #rounds = 0
  #failure: unknown = null

  constructor(plan: KafkaSourcePlan, { runtime, maxBufferedBytes, guide }: SecondReaderDeps) {
    this.#plan = plan
    this.#runtime = runtime
    this.#maxBufferedBytes = maxBufferedBytes
    this.#guide = guide
    this.#brokers = new Brokers(plan, runtime.clock)
    this.#news = new Wakeup(runtime.clock)
    this.#backoff = new Backoff({ initialMs: 50, maxMs: 1000 }, runtime.random)
  }

  open(): Promise<void> {
    return this.#guide.open()
  }

  describe(expected?: readonly string[]): Promise<SourceDescription> {
    return this.#guide.describe(expected)
  }

  watermarks(partitions: readonly TopicPartition[]): Promise<Watermarks[]> {
    return this.#guide.watermarks(partitions)
  }

  async seek(positions: readonly SeekPosition[]): Promise<void> {
    this.drop(positions)
    await this.#refuseLost(positions, () => true)
    for (const position of positions) this.#readings.set(topicPartitionKey(position), new Reading(position))
  }

  drop(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#readings.delete(topicPartitionKey(partition))
  }

  async take(limits: ReplayLimits, signal: AbortSignal): Promise<FetchedRange[]> {
    const { clock } = this.#runtime
    const deadline = clock.monotonicMs() + limits.maxWaitMs
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      const ranges = await this.#handOut(limits)
      this.#fetchMore(limits)
      const leftMs = signal.aborted ? 0 : deadline - clock.monotonicMs()
      if (ranges.length > 0 || leftMs <= 0) return ranges
      await this.#news.wait(leftMs, signal)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#brokers.close()
    await this.#round
    await this.#guide.close()
  }

  async #handOut({ maxRecords, until }: ReplayLimits): Promise<FetchedRange[]> {
    const fed = sortedByPartition(this.#readings.values()).filter(({ isHungry }) => !isHungry)
    const share = Math.max(1, Math.floor(maxRecords / fed.length))
    const ranges: FetchedRange[] = []
    for (const reading of fed.slice(0, maxRecords)) {
      const range = await reading.take(share, boundOf(reading, until))
      if (range !== null) ranges.push(range)
    }
    return ranges
  }

  #fetchMore({ until }: ReplayLimits): void {
    if (this.#round !== null || this.#closing.signal.aborted) return
    const readings = [...this.#readings.values()]
    const { maxBytesPerPartition } = this.#plan.fetch
    const held = readings.reduce((sum, { heldBytes }) => sum + heldBytes, 0)
    const room = Math.floor((this.#maxBufferedBytes - held) / maxBytesPerPartition)
    const isOver = (reading: Reading) => reading.position >= boundOf(reading, until)
    const hungry = readings.filter((reading) => reading.isHungry && !isOver(reading))
    // With nothing to take there is always room for one: its next batch may be larger than all that may be held.
    const isIdle = readings.every((reading) => reading.isHungry || isOver(reading))
    // Brokers fill an answer in the order of the request, and a batch that does not fit waits until it comes first.
    const first = this.#rounds++ % Math.max(1, hungry.length)
    const inTurn = [...hungry.slice(first), ...hungry.slice(0, first)]
    const asked = inTurn.slice(0, Math.max(room, isIdle ? 1 : 0))
    if (asked.length === 0) return
    this.#round = this.#runRound(asked)
      .catch((error: unknown) => {
        this.#failure ??= error
      })
      .finally(() => {
        this.#round = null
        this.#news.wake()
      })
  }

  /** One fetch of each partition; what goes wrong and may pass makes the next round wait. */
  async #runRound(readings: readonly Reading[]): Promise<void> {
    try {
      if (readings.some(({ leader }) => leader < 0)) await this.#learnLeaders(readings)
      const byLeader = groupBy(
        readings.filter(({ leader }) => leader >= 0),
        ({ leader }) => leader,
      )
      const answers = await Promise.all([...byLeader].map(([leader, led]) => this.#fetch(leader, led)))
      // A topic by this name that was created meanwhile has other records: of none of them is more than this known.
      await this.#learnLeaders(readings)
      const fetched = new Map(answers.flat().map((part) => [topicPartitionKey(part), part]))
      const troubled = readings.filter((reading) => !accept(reading, fetched.get(topicPartitionKey(reading))))
      if (troubled.length === 0) this.#backoff.reset()
      else await this.#lookInto(troubled)
    } catch (error) {
      if (this.#closing.signal.aborted) return
      if (!(error instanceof OncesinkError) || error.disposition !== 'retry') throw error
      await this.#lookInto(readings)
    }
  }

  async #fetch(leader: number, readings: readonly Reading[]): Promise<Fetched[]> {
    const { isolation, fetch } = this.#plan
    const { maxWaitMs, maxBytesPerPartition, maxBytes } = fetch
    const request = fetchRequest(readings, { isolation, maxWaitMs, maxBytesPerPartition, maxBytes })
    return this.#brokers.sendWaiting(leader, request)
  }

  /**
   * Asks who leads the partitions now.
   * @throws OncesinkError TOPIC_RECREATED, SOURCE_REFUSED, SOURCE_UNAVAILABLE
   */
  async #learnLeaders(readings: readonly Reading[]): Promise<void> {
    const names = new Set(readings.map(({ topic }) => topic))
    const metadata = await this.#brokers.sendToAny(metadataRequest([...names]))
    this.#brokers.update(metadata.brokers)
    const topics = new Map(metadata.topics.map((topic) => [topic.topic, topic]))
    for (const reading of readings) {
      const topic = topics.get(reading.topic)
      if (topic !== undefined && isRefusal(topic.errorCode))
        throw topicRefused(reading.topic, topic.errorCode)
      const isThere = topic !== undefined && topic.errorCode === ErrorCode.NONE
      if (isThere && topic.topicId !== reading.topicId)
        throw topicRecreated(positionOf(reading), topic.topicId)
      const led = isThere ? topic.partitions.find(({ partition }) => partition === reading.partition) : null
      reading.leader = led?.leader ?? -1
      reading.leaderEpoch = led?.leaderEpoch ?? -1
    }
  }

  /** Finds out whether positions still hold, and lets time pass. */
  async #lookInto(readings: readonly Reading[]): Promise<void> {
    for (const reading of readings) reading.leader = -1
    await this.#refuseLost(readings.map(positionOf), ({ disposition }) => disposition !== 'retry')
    await this.#runtime.clock.sleep(this.#backoff.nextMs(), this.#closing.signal)
  }

  /** @throws OncesinkError why one of the positions does not hold, where that `counts` */
  async #refuseLost(
    positions: readonly SeekPosition[],
    counts: (error: OncesinkError) => boolean,
  ): Promise<void> {
    for (const lost of await this.#guide.examine(positions)) {
      if (lost !== null && counts(lost)) throw lost
    }
  }
}

/**
 * Feeds what a partition was answered.
 * @returns false where it was not answered, or with an error that may pass
 * @throws OncesinkError SOURCE_REFUSED, RECORD_BATCH_CORRUPT
 */
function accept(reading: Reading, fetched: Fetched | undefined): boolean {
  if (fetched === undefined) return false
  const { errorCode } = fetched
  if (isRefusal(errorCode)) throw topicRefused(reading.topic, errorCode)
  if (errorCode === ErrorCode.CORRUPT_MESSAGE) {
    throw corrupt(reading, reading.position, 'the broker itself finds it damaged')
  }
  if (errorCode !== ErrorCode.NONE) return false
  reading.feed(fetched)
  return true
}

function positionOf({ topic, partition, topicId, position }: Reading): SeekPosition {
  return { topic, partition, topicId, nextOffset: BigInt(position), leaderEpoch: -1 }
}

function boundOf(reading: Reading, until: ReadonlyMap<string, bigint>): number {
  return Number(until.get(topicPartitionKey(reading)) ?? Number.MAX_SAFE_INTEGER)
}
