import { OncesinkError } from '../../errors.ts'
import { type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import { Backoff } from '../../runtime/backoff.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { PositionLost, whenLost } from '../position-lost.ts'
import type { SeekPosition } from '../source.ts'
import { askLeaders, NoAnswer } from './ask-leaders.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterState, ClusterView } from './cluster-view.ts'
import { listOffsetsRequest } from './protocol/list-offsets.ts'
import { offsetForLeaderEpochRequest } from './protocol/offset-for-leader-epoch.ts'

/**
 * How long an answer that may be out of date is asked for again: a fresh leader's high watermark lags, and brokers
 * learn of topics and leaders one after another.
 */
const patienceMs = 5000

/** The position is in the log of this leader, and everything below it is what was read. */
export interface SoundPosition {
  readonly leader: number
  readonly leaderEpoch: number
}

export type CheckedPosition = SoundPosition | OncesinkError

/** Not decided yet: what to report if it stays that way. */
interface Undecided {
  readonly undecided: OncesinkError
}

/**
 * Compares positions with the log as it is now: same topic, not truncated below the position, and within the log's
 * bounds. A position that does not hold is never moved here: what was lost is named, and a person decides.
 */
export class PositionCheck {
  readonly #brokers: Brokers
  readonly #cluster: ClusterView
  readonly #runtime: Runtime
  readonly #closed: AbortSignal

  constructor(brokers: Brokers, cluster: ClusterView, runtime: Runtime, closed: AbortSignal) {
    this.#brokers = brokers
    this.#cluster = cluster
    this.#runtime = runtime
    this.#closed = closed
  }

  /**
   * @returns in the order given: the leader that vouches for the position, or why it does not hold
   *   (TOPIC_RECREATED, TOPIC_MISSING, LOG_TRUNCATED, OFFSET_OUT_OF_RANGE; SOURCE_UNAVAILABLE if that could not be
   *   found out in time)
   * @throws OncesinkError SOURCE_REFUSED
   */
  async check(positions: readonly SeekPosition[]): Promise<CheckedPosition[]> {
    const { clock, random } = this.#runtime
    const backoff = new Backoff({ initialMs: 50, maxMs: 500 }, random)
    const deadline = clock.monotonicMs() + patienceMs
    const settled = new Map<string, CheckedPosition>()
    for (;;) {
      const open = positions.filter((position) => !settled.has(topicPartitionKey(position)))
      const over = clock.monotonicMs() >= deadline || this.#closed.aborted
      for (const [key, outcome] of await this.#round(open)) {
        if (!('undecided' in outcome)) settled.set(key, outcome)
        else if (over) settled.set(key, outcome.undecided)
      }
      const outcomes = positions.map((position) => settled.get(topicPartitionKey(position)))
      if (outcomes.every((outcome) => outcome !== undefined)) return outcomes
      await clock.sleep(backoff.nextMs(), this.#closed)
    }
  }

  async #round(positions: readonly SeekPosition[]): Promise<Map<string, CheckedPosition | Undecided>> {
    const outcomes = new Map<string, CheckedPosition | Undecided>()
    let state: ClusterState
    try {
      state = await this.#cluster.refresh()
    } catch (error) {
      if (!(error instanceof OncesinkError) || error.code !== 'SOURCE_UNAVAILABLE') throw error
      for (const position of positions) outcomes.set(topicPartitionKey(position), { undecided: error })
      return outcomes
    }
    const present: SeekPosition[] = []
    for (const position of positions) {
      const outcome = checkTopic(position, state, this.#cluster)
      if (outcome === null) present.push(position)
      else outcomes.set(topicPartitionKey(position), outcome)
    }
    const log = await this.#askLog(present)
    for (const position of present) {
      const key = topicPartitionKey(position)
      outcomes.set(key, checkLog(position, log(key)) ?? this.#leaderOf(state, position))
    }
    return outcomes
  }

  #leaderOf(state: ClusterState, { topic, partition }: TopicPartition): SoundPosition {
    const metadata = state.topics.get(topic)?.partitions.find((p) => p.partition === partition)
    return { leader: metadata?.leader ?? -1, leaderEpoch: metadata?.leaderEpoch ?? -1 }
  }

  async #askLog(positions: readonly SeekPosition[]): Promise<(key: string) => LogAnswers> {
    const withEpoch = positions.filter(({ leaderEpoch, nextOffset }) => leaderEpoch >= 0 && nextOffset > 0n)
    const ask = [this.#brokers, this.#cluster] as const
    const ends = await askLeaders(...ask, withEpoch, offsetForLeaderEpochRequest)
    const lows = await askLeaders(...ask, positions, (group) => listOffsetsRequest(group, 'start'))
    const highs = await askLeaders(...ask, positions, (group) => listOffsetsRequest(group, 'high'))
    return (key) => {
      const [end, low, high] = [ends.get(key) ?? null, lows.get(key), highs.get(key)]
      for (const answer of [end, low, high]) if (answer instanceof NoAnswer) return answer
      return {
        epochEnd: end === null || end instanceof NoAnswer ? null : end.endOffset,
        low: low === undefined || low instanceof NoAnswer ? 0n : low.offset,
        high: high === undefined || high instanceof NoAnswer ? 0n : high.offset,
      }
    }
  }
}

interface LogBoundsNow {
  /** Where the position's leader epoch ends in the log; -1 when the leader does not know it, null when not asked. */
  readonly epochEnd: bigint | null
  readonly low: bigint
  readonly high: bigint
}

type LogAnswers = LogBoundsNow | NoAnswer

function checkTopic(
  position: SeekPosition,
  state: ClusterState,
  cluster: ClusterView,
): OncesinkError | Undecided | null {
  const { topic, partition, topicId } = position
  const metadata = state.topics.get(topic)
  if (metadata !== undefined && metadata.topicId !== topicId) {
    return topicRecreated(position, metadata.topicId)
  }
  const partitionMetadata = metadata?.partitions.find((p) => p.partition === partition)
  if (partitionMetadata === undefined) return { undecided: cluster.vanished(topic) }
  if (partitionMetadata.leader >= 0) return null
  return { undecided: unavailable(position, 'it has no leader') }
}

/** What the log's answers say against the position; null when nothing does. */
function checkLog(position: SeekPosition, log: LogAnswers): OncesinkError | Undecided | null {
  if (log instanceof NoAnswer) return { undecided: unavailable(position, log.reason) }
  const { nextOffset } = position
  const { epochEnd, low, high } = log
  if (low > nextOffset) return recordsGone(position, low)
  if (epochEnd !== null && epochEnd >= 0n && epochEnd < nextOffset) return truncated(position, epochEnd, log)
  // An unknown epoch is larger than any of this leader's: it lost that epoch's records, or has yet to hear of it.
  if (epochEnd === -1n) return { undecided: truncated(position, null, log) }
  if (nextOffset <= high) return null
  if (epochEnd === null) return { undecided: pastEnd(position, high) }
  return {
    undecided: unavailable(position, `its high watermark ${high} has yet to reach position ${nextOffset}`),
  }
}

export function topicRecreated(position: SeekPosition, now: string): PositionLost {
  const { topic, partition, topicId } = position
  return new PositionLost(
    'TOPIC_RECREATED',
    `topic "${topic}" was deleted and created again: the position of ${topic}/${partition} belongs to topic id ` +
      `${topicId}, the topic now has id ${now}; its records are not those that were read. ` +
      whenLost,
    position,
    { cause: 'recreated', resumeAt: 'earliest', topicId: now },
  )
}

function recordsGone(position: SeekPosition, low: bigint): PositionLost {
  const { topic, partition, nextOffset, topicId } = position
  return new PositionLost(
    'OFFSET_OUT_OF_RANGE',
    `records [${nextOffset}, ${low}) of ${topic}/${partition} are no longer in the log (retention or a deletion ` +
      'removed them before they were read). Give the topic a longer retention. ' +
      whenLost,
    position,
    { cause: 'retention', resumeAt: low, topicId },
  )
}

function pastEnd(position: SeekPosition, high: bigint): PositionLost {
  const { topic, partition, nextOffset, topicId } = position
  return new PositionLost(
    'OFFSET_OUT_OF_RANGE',
    `records [${high}, ${nextOffset}) of ${topic}/${partition} are no longer in the log, or not yet: it ends at ` +
      `${high}, before position ${nextOffset}. Check that the brokers have all their data. ` +
      whenLost,
    position,
    { cause: 'truncated', resumeAt: high, topicId },
  )
}

/** @param end where the records that were read end in the log; null when its leader cannot tell */
function truncated(position: SeekPosition, end: bigint | null, { low, high }: LogBoundsNow): PositionLost {
  const { topic, partition, nextOffset, leaderEpoch, topicId } = position
  const lost =
    end === null
      ? `the leader of ${topic}/${partition} knows no leader epoch ${leaderEpoch}, in which the records below ` +
        `${nextOffset} were read`
      : `records [${end}, ${nextOffset}) of ${topic}/${partition} were read in leader epoch ${leaderEpoch} and are ` +
        'no longer in the log'
  const divergence = end ?? (high < nextOffset ? high : nextOffset)
  return new PositionLost(
    'LOG_TRUNCATED',
    `${lost}: the log was truncated (an unclean leader election, or a restored broker), and other records may ` +
      'stand at these offsets now. Compare the results with the topic. ' +
      whenLost,
    position,
    { cause: 'truncated', resumeAt: divergence > low ? divergence : low, topicId },
  )
}

function unavailable({ topic, partition }: TopicPartition, reason: string): OncesinkError {
  return new OncesinkError(
    'SOURCE_UNAVAILABLE',
    `the leader of ${topic}/${partition} gives no answer about the position: ${reason}; check the brokers`,
    { partition: { topic, partition } },
  )
}
