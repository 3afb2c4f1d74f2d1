import type { OncesinkError } from '../../errors.ts'
import type { LossCause } from '../../model/loss-cause.ts'
import { type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import { PositionLost } from '../../source/position-lost.ts'
import type { Source, Watermarks } from '../../source/source.ts'
import type { PositionRow } from '../dialect.ts'
import { isRenewable } from './starts.ts'

/** A stored position as the log sees it. */
export interface ExaminedPosition extends TopicPartition {
  readonly position: PositionRow
  /** Bounds of the log now; null where the topic as it is now has no such partition. */
  readonly bounds: Watermarks | null
  /** Null where the position holds. */
  readonly loss: FoundLoss | null
}

export interface FoundLoss {
  readonly cause: LossCause
  /** Where the job would go on. */
  readonly resumeAt: bigint
  /** Kafka's id of the topic as it is now. */
  readonly topicId: string
  /** What has happened, in one sentence or two. */
  readonly message: string
}

/**
 * Compares stored positions with the log, partition by partition. Changes nothing.
 * @throws OncesinkError TOPIC_MISSING for a topic that is gone; SOURCE_UNAVAILABLE, SOURCE_REFUSED
 */
export async function findLosses(
  source: Source,
  positions: readonly PositionRow[],
): Promise<ExaminedPosition[]> {
  const { topics } = await source.describe(positions.map(({ topic }) => topic))
  const counts = new Map(topics.map(({ topic, partitions }) => [topic, partitions]))
  const outcomes = await source.examine(positions)
  const existing = positions.filter(({ topic, partition }) => partition < (counts.get(topic) ?? 0))
  const bounds = new Map(
    (await source.watermarks(existing)).map((bound) => [topicPartitionKey(bound), bound]),
  )
  return positions.map((position, i) => {
    const { topic, partition } = position
    const bound = bounds.get(topicPartitionKey(position)) ?? null
    return { topic, partition, position, bounds: bound, loss: lossOf(position, outcomes[i] ?? null, bound) }
  })
}

function lossOf(
  position: PositionRow,
  outcome: OncesinkError | null,
  bounds: Watermarks | null,
): FoundLoss | null {
  if (outcome === null) return null
  if (!(outcome instanceof PositionLost)) throw outcome
  const { cause, resumeAt, topicId } = outcome.loss
  // The next claim resolves such a start again by itself.
  if (cause === 'retention' && isRenewable(position)) return null
  return {
    cause,
    resumeAt: resumeAt === 'earliest' ? (bounds?.low ?? 0n) : resumeAt,
    topicId,
    message: outcome.message,
  }
}
