import { OncesinkError } from '../../errors.ts'
import { topicPartitionKey } from '../../model/topic-partition.ts'
import { whenLost } from '../../source/position-lost.ts'
import type { Source, StartFrom, TopicDescription } from '../../source/source.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import type { PositionRow, StartReason, StartRow, TopicRow, Transaction } from '../dialect.ts'

export interface StartsWanted {
  /** The subscribed topics as the brokers have them. */
  readonly topics: readonly TopicDescription[]
  readonly startFrom: StartFrom
  /** Whether the job has never claimed anything before. */
  readonly isFirstClaim: boolean
  /** Whether the job may read none of the topics that it has read before. */
  readonly acceptOtherTopics: boolean
}

/** Topics with positions that are subscribed and were not among those that the brokers have described. */
export class TopicsNotDescribed extends OncesinkError {
  /** Every topic of which there are positions. */
  readonly stored: readonly string[]

  constructor(topic: string, stored: readonly string[]) {
    super(
      'TOPIC_MISSING',
      `topic "${topic}" has vanished from the cluster: there are positions of it, and the brokers do not know it`,
    )
    this.stored = stored
  }
}

/**
 * Writes the starting positions of every partition that has none.
 *
 * The first claimer of a topic decides for *all* its partitions, under the topic's lock: a start decided per claim
 * would begin a second member's partitions of a `latest` job at another moment. Partitions that appear later begin
 * at earliest, or the records written before they were noticed would be lost; so does a topic that a pattern matches
 * after the job's first claim. A topic named in the job later is a decision, and begins where `startFrom` says.
 * @throws OncesinkError TOPIC_RECREATED when the stored topic id is not the broker's; TOPIC_MISSING when a topic with
 *   positions is subscribed, and not among `topics`; JOB_IDENTITY_CONFLICT when none of the topics with positions is
 *   subscribed any more
 */
export async function writeMissingStarts(
  trx: Transaction,
  job: string,
  source: Source,
  { topics, startFrom, isFirstClaim, acceptOtherTopics }: StartsWanted,
): Promise<void> {
  const known = new Map((await trx.lockTopics(job)).map((row) => [row.topic, row]))
  if (!acceptOtherTopics) refuseOtherTopics(job, [...known.keys()], source)
  refuseVanished([...known.keys()], source, topics)
  for (const topic of topics) {
    const row = known.get(topic.topic)
    if (row) refuseRecreated(job, row, topic)
    const from = row?.knownPartitions ?? 0
    if (row && topic.partitions <= from) continue
    await trx.upsertTopic(job, {
      topic: topic.topic,
      topicId: topic.topicId,
      knownPartitions: topic.partitions,
    })
    const isLate = row !== undefined || (topic.byPattern && !isFirstClaim)
    await trx.insertStarts(job, await resolveStarts(source, topic, from, isLate ? 'earliest' : startFrom))
  }
}

/**
 * While nothing was committed (seq 0) an `earliest` start that the log has left behind is resolved again and recorded,
 * with a warning that names the records: earliest means whatever the log has when reading begins. A `latest`, timestamp or explicit
 * start names the first record that the job must count, so what is missing after it is a loss, and stops the job.
 */
export async function renewExpiredStarts(
  trx: Transaction,
  job: string,
  source: Source,
  rows: readonly PositionRow[],
  events: JobEventBus,
): Promise<PositionRow[]> {
  const untouched = rows.filter((row) => isRenewable(row))
  const bounds = untouched.length === 0 ? [] : await source.watermarks(untouched)
  const renewed = new Map<string, bigint>()
  for (const [i, row] of untouched.entries()) {
    const bound = bounds[i]
    if (!bound || (row.nextOffset >= bound.low && row.nextOffset <= bound.high)) continue
    const nextOffset = bound.low
    await trx.replaceStart(job, {
      topic: row.topic,
      partition: row.partition,
      nextOffset,
      reason: row.startReason,
    })
    renewed.set(topicPartitionKey(row), nextOffset)
    events.emit('warning', {
      message: `the recorded start ${row.nextOffset} of ${topicPartitionKey(row)} is no longer in the log, and nothing was committed yet: reading begins at ${nextOffset}, its earliest offset now`,
    })
  }
  return rows.map((row) => ({ ...row, nextOffset: renewed.get(topicPartitionKey(row)) ?? row.nextOffset }))
}

/** Once an operator has moved the position, the start that was recorded is no longer what it rests on. */
export function isRenewable({ seq, startReason, incarnation }: PositionRow): boolean {
  return seq === 0n && startReason === 'earliest' && incarnation === 0
}

/** A job file that was copied, and not renamed, would add the records of its own topics to another job's table. */
function refuseOtherTopics(job: string, stored: readonly string[], source: Source): void {
  if (stored.length === 0 || stored.some((topic) => source.covers(topic))) return
  throw new OncesinkError(
    'JOB_IDENTITY_CONFLICT',
    `job '${job}' has read ${stored.join(', ')}, and would now read none of them: its table would hold the records of both. ` +
      'Give the job another name and table, or run once with --accept-shape-change if the new topics go on where the old ones ended.',
  )
}

function refuseVanished(
  stored: readonly string[],
  source: Source,
  topics: readonly TopicDescription[],
): void {
  const described = new Set(topics.map(({ topic }) => topic))
  const vanished = stored.find((topic) => source.covers(topic) && !described.has(topic))
  if (vanished !== undefined) throw new TopicsNotDescribed(vanished, stored)
}

function refuseRecreated(job: string, row: TopicRow, topic: TopicDescription): void {
  if (row.topicId === topic.topicId) return
  throw new OncesinkError(
    'TOPIC_RECREATED',
    `topic '${topic.topic}' was deleted and created again: job '${job}' has positions in topic id ${row.topicId}, the ` +
      `brokers now have ${topic.topicId}. Its stored offsets mean nothing in the new topic. ` +
      whenLost,
  )
}

async function resolveStarts(
  source: Source,
  topic: TopicDescription,
  from: number,
  startFrom: StartFrom,
): Promise<StartRow[]> {
  const partitions = Array.from({ length: topic.partitions - from }, (_, i) => ({
    topic: topic.topic,
    partition: from + i,
  }))
  const offsets = await source.startOffsets(partitions, startFrom)
  return partitions.map((tp, i) => ({
    ...tp,
    nextOffset: offsets[i] ?? 0n,
    reason: startReason(startFrom, tp.topic, tp.partition),
  }))
}

function startReason(startFrom: StartFrom, topic: string, partition: number): StartReason {
  if (typeof startFrom === 'string') return startFrom
  if ('timestamp' in startFrom) return 'timestamp'
  return startFrom.offsets[topic]?.[partition] === undefined ? 'earliest' : 'offset'
}
