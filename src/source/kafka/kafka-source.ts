import { invariant, OncesinkError } from '../../errors.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import { Backoff } from '../../runtime/backoff.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import type {
  FetchedRange,
  GroupMember,
  GroupOffset,
  GroupUse,
  PartitionOffer,
  PartitionProgress,
  SeekPosition,
  Source,
  SourceDescription,
  StartFrom,
  TakeLimits,
  TopicDescription,
  Watermarks,
} from '../source.ts'
import { Caretaker } from './caretaker.ts'
import { type ClusterState, missingPatienceMs } from './cluster-view.ts'
import { GroupOffsets } from './group-offsets.ts'
import { LeaderLoop } from './leader-loop.ts'
import { LogBounds } from './log-bounds.ts'
import type { KafkaSourcePlan } from './options.ts'
import type { SoundPosition } from './position-check.ts'
import type { TopicMetadata } from './protocol/metadata.ts'
import { ReadPartition } from './read-partition.ts'
import { Reader } from './reader.ts'
import { covers, selectedPartitions } from './subscription.ts'
import { allocate, decodeFor, isFetchedToBounds, offersOf, takeShares } from './take-records.ts'

export interface KafkaSourceDeps {
  readonly runtime: Runtime
  readonly events: JobEventBus
  /** Bytes fetched ahead and not yet taken, over all partitions. */
  readonly maxBufferedBytes: number
}

/**
 * How long a topic may be unknown when the source is opened, in milliseconds: less than for one that is being read,
 * because a name that was misspelt is the likelier reason.
 */
const openingPatienceMs = 2000

/**
 * How long the coordinator of a group may be away when it is only asked about rights, in milliseconds: a cluster that
 * nobody has used with a group yet has to make it first.
 */
const coordinatorPatienceMs = 10_000

/** Reads Kafka: the port's comments in `source.ts` say what each method promises. */
export function createKafkaSource(plan: KafkaSourcePlan, deps: KafkaSourceDeps): Source {
  return new KafkaSource(plan, deps)
}

/**
 * States: `new` -> open() (again after a failure) -> `open` -> close() -> `closed`. While open, one coroutine per
 * leader fetches and one takes care of leaders; seek and drop decide what they fetch, take hands it out.
 */
class KafkaSource implements Source {
  readonly #plan: KafkaSourcePlan
  readonly #events: JobEventBus
  readonly #reader: Reader
  readonly #bounds: LogBounds
  readonly #groups: GroupOffsets
  readonly #caretaker: Caretaker
  readonly #loops = new Map<number, LeaderLoop>()
  readonly #coroutines: Promise<void>[] = []
  /** The latest seek of each partition; one that was overtaken while it checked positions changes nothing. */
  readonly #seeks = new Map<string, number>()
  #opened = false
  #saidNothingMatches = false
  #taking = false
  #turn = 0

  constructor(plan: KafkaSourcePlan, { runtime, events, maxBufferedBytes }: KafkaSourceDeps) {
    this.#plan = plan
    this.#events = events
    this.#reader = new Reader(plan, runtime, events, maxBufferedBytes)
    this.#bounds = new LogBounds(this.#reader.brokers, this.#reader.cluster, runtime)
    this.#groups = new GroupOffsets(this.#reader.brokers)
    this.#caretaker = new Caretaker(
      this.#reader,
      (nodeId) => this.#loopOf(nodeId),
      () => this.#loops.values(),
    )
  }

  async open(): Promise<void> {
    await this.#askCluster(openingPatienceMs)
    if (this.#opened) return
    this.#opened = true
    this.#start(this.#caretaker.run())
  }

  async describe(expected: readonly string[] = []): Promise<SourceDescription> {
    const state = await this.#askCluster(
      missingPatienceMs,
      expected.filter((topic) => covers(this.#plan, topic)),
    )
    this.#caretaker.reconcile(state)
    const topics = [...state.topics.values()]
      .map((topic) => this.#describeTopic(topic))
      .sort((a, b) => (a.topic < b.topic ? -1 : 1))
    if (topics.length === 0) this.#sayNothingMatches()
    return { clusterId: state.clusterId, topics }
  }

  covers(topic: string): boolean {
    return covers(this.#plan, topic)
  }

  #describeTopic({ topic, topicId, partitions }: TopicMetadata): TopicDescription {
    const selected = selectedPartitions(this.#plan, topic)
    const beyond = selected?.find((partition) => partition >= partitions.length)
    if (beyond !== undefined) {
      throw new OncesinkError(
        'CONFIGURATION_INVALID',
        `kafka(): partitions.${topic} names partition ${beyond}, but topic "${topic}" has ${partitions.length} ` +
          `(0 to ${partitions.length - 1}); correct it, or add the partition to the topic first`,
      )
    }
    return {
      topic,
      topicId,
      partitions: partitions.length,
      byPattern: this.#plan.topicPattern !== null,
      ...(selected !== undefined && { selected }),
    }
  }

  #sayNothingMatches(): void {
    if (this.#saidNothingMatches) return
    this.#saidNothingMatches = true
    this.#events.emit('warning', {
      message:
        `no topic matches topicPattern ${String(this.#plan.topicPattern)} yet: waiting for one, which is looked for ` +
        `every ${this.#plan.metadataRefreshMs} ms (metadataRefreshMs)`,
    })
  }

  startOffsets(partitions: readonly TopicPartition[], startFrom: StartFrom): Promise<bigint[]> {
    return this.#bounds.startOffsets(partitions, startFrom, this.#plan.isolation)
  }

  watermarks(partitions: readonly TopicPartition[]): Promise<Watermarks[]> {
    return this.#bounds.watermarks(partitions)
  }

  async seek(positions: readonly SeekPosition[]): Promise<void> {
    for (const { nextOffset } of positions) invariant(isOffset(nextOffset), `${nextOffset} is not an offset`)
    this.drop(positions)
    const counter = this.#reader.nextSeekCounter()
    for (const position of positions) this.#seeks.set(topicPartitionKey(position), counter)
    const outcomes = await this.#reader.check.check(positions)
    const sound = outcomes.map((outcome) => {
      if (outcome instanceof OncesinkError) throw outcome
      return outcome
    })
    for (const [i, leader] of sound.entries()) {
      const position = positions[i]
      if (position !== undefined) this.#begin(position, leader, counter)
    }
    // Only now: a fetch for the first of them would be given the room that belongs to all.
    for (const { leader } of sound) this.#loopOf(leader).wake()
  }

  #begin(position: SeekPosition, { leader, leaderEpoch }: SoundPosition, counter: number): void {
    const key = topicPartitionKey(position)
    if (this.#seeks.get(key) !== counter) return
    const { topicId, nextOffset } = position
    const partition = new ReadPartition(position, topicId, Number(nextOffset), position.leaderEpoch, counter)
    partition.leader = leader
    partition.leaderEpoch = leaderEpoch
    partition.servedAt = this.#reader.answers
    partition.state = 'reading'
    this.#reader.partitions.set(key, partition)
  }

  async examine(positions: readonly SeekPosition[]): Promise<(OncesinkError | null)[]> {
    const outcomes = await this.#reader.check.check(positions)
    return outcomes.map((outcome) => (outcome instanceof OncesinkError ? outcome : null))
  }

  drop(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      const key = topicPartitionKey(partition)
      const reading = this.#reader.partitions.get(key)
      if (reading !== undefined) reading.state = 'dropped'
      this.#reader.partitions.delete(key)
      this.#seeks.delete(key)
      this.#reader.troubles.recovered(key)
    }
  }

  async take(limits: TakeLimits, signal: AbortSignal): Promise<FetchedRange[]> {
    return this.#alone(() => this.#take(limits, signal))
  }

  async offer(limits: TakeLimits, signal: AbortSignal): Promise<PartitionOffer[]> {
    return this.#alone(() => this.#offer(limits, signal))
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    invariant(!this.#taking, 'records are taken by one caller at a time')
    this.#taking = true
    try {
      return await work()
    } finally {
      this.#taking = false
    }
  }

  async #offer(limits: TakeLimits, signal: AbortSignal): Promise<PartitionOffer[]> {
    const { clock } = this.#reader.runtime
    const deadline = clock.monotonicMs() + limits.maxWaitMs
    for (;;) {
      this.#reader.throwStopError()
      const offers = offersOf([...this.#reader.partitions.values()], limits)
      const leftMs = signal.aborted ? 0 : deadline - clock.monotonicMs()
      if (leftMs <= 0 || offers.some(({ records }) => records > 0)) return offers
      await this.#awaitRecords(leftMs, signal)
    }
  }

  async #take(limits: TakeLimits, signal: AbortSignal): Promise<FetchedRange[]> {
    const { clock } = this.#reader.runtime
    const deadline = clock.monotonicMs() + limits.maxWaitMs
    for (;;) {
      this.#reader.throwStopError()
      const shares = allocate([...this.#reader.partitions.values()], limits, this.#turn++)
      await decodeFor(shares, clock)
      this.#reader.throwStopError()
      const leftMs = signal.aborted ? 0 : deadline - clock.monotonicMs()
      const hasRecords = shares.some(
        ({ records, bound, partition }) => records > 0 && partition.buffer.available(bound) > 0,
      )
      const isLast = hasRecords || leftMs <= 0 || isFetchedToBounds(shares)
      const ranges = takeShares(shares, limits.includeEmptyRanges && isLast)
      if (ranges.length > 0) for (const loop of this.#loops.values()) loop.wake()
      if (ranges.length > 0 || leftMs <= 0) return ranges
      await this.#awaitRecords(leftMs, signal)
    }
  }

  async #awaitRecords(ms: number, signal: AbortSignal): Promise<void> {
    this.#reader.isAwaited = true
    for (const loop of this.#loops.values()) loop.want()
    await this.#reader.news.wait(ms, signal)
    this.#reader.isAwaited = false
  }

  progress(): PartitionProgress[] {
    return sortedByPartition(this.#reader.partitions.values()).map((partition) => partition.progress())
  }

  async close(): Promise<void> {
    this.drop([...this.#reader.partitions.values()])
    this.#reader.close()
    // They end by themselves, and report their errors through the reader.
    await Promise.allSettled(this.#coroutines)
  }

  mirrorOffsets(group: string, offsets: readonly GroupOffset[]): Promise<void> {
    return this.#groups.commit(group, offsets)
  }

  groupOffsets(group: string, partitions: readonly TopicPartition[]): Promise<(bigint | null)[]> {
    return this.#groups.fetch(group, partitions)
  }

  groupMembers(group: string): Promise<GroupMember[]> {
    return this.#groups.members(group)
  }

  async checkGroup(group: string, job: string, use: GroupUse): Promise<void> {
    const { runtime, closed } = this.#reader
    const backoff = new Backoff({ initialMs: 50, maxMs: 500 }, runtime.random)
    const deadline = runtime.clock.monotonicMs() + coordinatorPatienceMs
    for (;;) {
      try {
        return await this.#groups.check(group, job, use)
      } catch (error) {
        const isPassing = error instanceof OncesinkError && error.disposition === 'retry'
        if (!isPassing || closed.aborted || runtime.clock.monotonicMs() > deadline) throw error
      }
      await runtime.clock.sleep(backoff.nextMs(), closed)
    }
  }

  /**
   * Asks about the subscribed topics. One that was just created may not be known to the broker asked, and a broker
   * that has just started may know none: a missing topic is asked for again during `patienceMs`, and so is one that
   * a pattern has matched before.
   */
  async #askCluster(patienceMs: number, expected: readonly string[] = []): Promise<ClusterState> {
    const { cluster, runtime, closed } = this.#reader
    const backoff = new Backoff({ initialMs: 50, maxMs: 500 }, runtime.random)
    const deadline = runtime.clock.monotonicMs() + patienceMs
    for (;;) {
      const state = await cluster.refresh()
      const vanished = expected.filter((topic) => !state.topics.has(topic))
      const absent = new Set([...vanished, ...state.missing])
      if (absent.size === 0) return state
      if (runtime.clock.monotonicMs() > deadline || closed.aborted)
        throw cluster.absent([...absent], vanished)
      await runtime.clock.sleep(backoff.nextMs(), closed)
    }
  }

  #loopOf(nodeId: number): LeaderLoop {
    const known = this.#loops.get(nodeId)
    if (known !== undefined) return known
    const loop = new LeaderLoop(nodeId, this.#reader)
    this.#loops.set(nodeId, loop)
    this.#start(loop.run())
    return loop
  }

  #start(coroutine: Promise<void>): void {
    this.#coroutines.push(coroutine.catch((error: unknown) => this.#reader.crash(error)))
  }
}

function isOffset(offset: bigint): boolean {
  return offset >= 0n && offset <= BigInt(Number.MAX_SAFE_INTEGER)
}
