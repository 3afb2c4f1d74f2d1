import { timestampMs } from '../../aggregation/timestamp.ts'
import { OncesinkError } from '../../errors.ts'
import { type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import { Backoff } from '../../runtime/backoff.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { StartFrom, Watermarks } from '../source.ts'
import { askLeaders, NoAnswer } from './ask-leaders.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterView } from './cluster-view.ts'
import {
  type AtTimestamp,
  type ListedOffset,
  type LogBound,
  listOffsetsRequest,
} from './protocol/list-offsets.ts'

/** How long a leader change may keep a log's bounds from being known before that is an error. */
const patienceMs = 5000

/** Asks the leaders where logs begin and end. */
export class LogBounds {
  readonly #brokers: Brokers
  readonly #cluster: ClusterView
  readonly #runtime: Runtime

  constructor(brokers: Brokers, cluster: ClusterView, runtime: Runtime) {
    this.#brokers = brokers
    this.#cluster = cluster
    this.#runtime = runtime
  }

  /** @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED */
  async watermarks(partitions: readonly TopicPartition[]): Promise<Watermarks[]> {
    // One after another, each bound no smaller than the one before: an answer may grow until the next is asked for.
    const low = await this.#list(partitions, 'start')
    const lastStable = await this.#list(partitions, 'last-stable')
    const high = await this.#list(partitions, 'high')
    return partitions.map(({ topic, partition }, i) => ({
      topic,
      partition,
      low: low[i] ?? 0n,
      high: high[i] ?? 0n,
      lastStable: lastStable[i] ?? 0n,
    }))
  }

  /** @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED */
  async startOffsets(
    partitions: readonly TopicPartition[],
    startFrom: StartFrom,
    isolation: 'read_committed' | 'read_uncommitted',
  ): Promise<bigint[]> {
    const end = isolation === 'read_committed' ? 'last-stable' : 'high'
    if (startFrom === 'latest') return this.#list(partitions, end)
    if (typeof startFrom === 'object' && 'timestamp' in startFrom) {
      // The end first: a record that comes between the two questions must not be before the start.
      const ends = await this.#list(partitions, end)
      const bound = { timestampMs: timestampMs(startFrom.timestamp), isolation }
      const found = await this.#list(partitions, bound)
      return found.map((offset, i) => (offset < 0n ? (ends[i] ?? 0n) : offset))
    }
    const named = startFrom === 'earliest' ? {} : startFrom.offsets
    const offsets = partitions.map(({ topic, partition }) => named[topic]?.[partition])
    const unnamed = partitions.filter((_, i) => offsets[i] === undefined)
    const earliest = await this.#list(unnamed, 'start')
    return offsets.map((offset) => offset ?? earliest.shift() ?? 0n)
  }

  async #list(partitions: readonly TopicPartition[], bound: LogBound | AtTimestamp): Promise<bigint[]> {
    const { clock, random } = this.#runtime
    const known = new Map<string, bigint>()
    const backoff = new Backoff({ initialMs: 50, maxMs: 1000 }, random)
    const deadline = clock.monotonicMs() + patienceMs
    for (;;) {
      const open = partitions.filter((tp) => !known.has(topicPartitionKey(tp)))
      if (open.length === 0) return partitions.map((tp) => known.get(topicPartitionKey(tp)) ?? 0n)
      const unknownLeader = open.some((tp) => this.#cluster.partition(tp.topic, tp.partition) === null)
      if (backoff.attempts > 0 || unknownLeader) await this.#cluster.refresh()
      const answers = await askLeaders(this.#brokers, this.#cluster, open, (group) =>
        listOffsetsRequest(group, bound),
      )
      let missing: string | null = null
      for (const [key, answer] of answers) {
        if (answer instanceof NoAnswer) missing = `${key}: ${answer.reason}`
        else known.set(key, (answer satisfies ListedOffset).offset)
      }
      if (missing === null) continue
      if (clock.monotonicMs() > deadline) {
        throw new OncesinkError(
          'SOURCE_UNAVAILABLE',
          `the bounds of the log are not known for ${missing}; check that the leader of the partition is up`,
        )
      }
      await clock.sleep(backoff.nextMs())
    }
  }
}
