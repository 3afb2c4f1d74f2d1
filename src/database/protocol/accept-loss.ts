import { OncesinkError } from '../../errors.ts'
import { sortedByPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import type { Connection, PositionMove, PositionRow, Transaction } from '../dialect.ts'
import { BATCH_PATIENCE_MS, endingBlockers } from './end-blockers.ts'
import type { ExaminedPosition, FoundLoss } from './find-losses.ts'
import type { JobSession } from './session.ts'

export interface Acceptance {
  readonly clusterId: string
  /** Who accepts, for example `ann@host`. */
  readonly actor: string
  /** Why, in their own words. */
  readonly reason: string
  /**
   * Whether to go on although an owner seems to be alive. It is fenced: alone it stops with exit code 3; a member of a
   * group claims again and goes on where this act has put the position, which a claim does not move.
   */
  readonly fenceOwner: boolean
}

export type LostPosition = ExaminedPosition & { readonly loss: FoundLoss }

/**
 * Moves positions that the log no longer continues to where it does, on a person's word.
 *
 * It fences like any owner: in one transaction under the locks of a claim, each position gets a higher epoch and a
 * fresh claim id, so that a zombie with the old ones commits nothing any more, and a higher incarnation, so that ranges
 * of offsets may come again. What was decided stands in the ledger, or nothing happens.
 * @throws OncesinkError CONFIGURATION_INVALID when the job is not there or part of a recreated topic is left out;
 *   PREFLIGHT_FAILED when an owner is alive; FENCED when a position has moved since it was examined; the database's errors
 */
export async function acceptLoss(
  session: JobSession,
  lost: readonly LostPosition[],
  acceptance: Acceptance,
  events: JobEventBus,
): Promise<void> {
  const connection = await session.connection()
  if (!acceptance.fenceOwner) await refuseLivingOwner(session.job, connection, lost)
  const trx = await connection.begin('claim')
  try {
    await endingBlockers(session, connection, events, BATCH_PATIENCE_MS, () =>
      move(trx, session, lost, acceptance),
    )
    await session.runtime.faultPoints.reach('claim.before-commit')
    const committed = await trx.commit()
    if (committed.kind === 'committed') return
    throw new OncesinkError(
      'DATABASE_UNAVAILABLE',
      committed.kind === 'aborted'
        ? `nothing was changed: the database has rolled the transaction back: ${committed.error.message}`
        : 'COMMIT was sent and no answer came back: run the command again, it shows whether the positions have moved',
      { cause: committed.error },
    )
  } catch (error) {
    await trx.rollback()
    throw error
  }
}

async function move(
  trx: Transaction,
  session: JobSession,
  lost: readonly LostPosition[],
  { clusterId, actor, reason }: Acceptance,
): Promise<void> {
  const { job } = session
  const stored = await trx.lockJob(job)
  if (stored?.clusterId !== clusterId) {
    throw new OncesinkError(
      'JOB_IDENTITY_CONFLICT',
      `job '${job}' has its positions in Kafka cluster ${stored?.clusterId ?? '(none)'}, but these brokers belong to ` +
        `cluster ${clusterId}; correct the brokers`,
    )
  }
  const topics = new Map((await trx.lockTopics(job)).map((row) => [row.topic, row]))
  const rows = await trx.lockPositions(job, sortedByPartition(lost))
  const now = new Map(rows.map((row) => [topicPartitionKey(row), row]))
  const moved = lost.find(({ position }) => !isUnchanged(position, now.get(topicPartitionKey(position))))
  if (moved) {
    throw new OncesinkError(
      'FENCED',
      `nothing was changed: the position of ${topicPartitionKey(moved)} has been claimed or moved since the plan was made; ` +
        'stop the job, and look at the plan again',
    )
  }
  for (const [topic, topicId] of new Map(lost.map(({ topic, loss }) => [topic, loss.topicId]))) {
    if (topics.get(topic)?.topicId === topicId) continue
    await refusePartOfTopic(trx, job, topic, lost)
    await trx.replaceTopicId(job, topic, topicId)
  }
  const claimId = session.runtime.random.uuid()
  const moves = sortedByPartition(lost.map((one) => toMove(one, claimId, actor, reason)))
  await trx.movePositions(job, moves)
}

function isUnchanged(planned: PositionRow, now: PositionRow | undefined): boolean {
  return (
    now !== undefined &&
    now.nextOffset === planned.nextOffset &&
    now.epoch === planned.epoch &&
    now.claimId === planned.claimId
  )
}

function toMove(
  { topic, partition, position, loss }: LostPosition,
  claimId: string,
  actor: string,
  reason: string,
): PositionMove {
  return {
    topic,
    partition,
    kind: 'accept_loss',
    from: position.nextOffset,
    until: loss.resumeAt,
    claimId,
    actor,
    reason,
    cause: loss.cause,
    topicId: loss.topicId,
  }
}

/** A topic has one id: were one partition left behind, its offset would be taken for one of the new topic. */
async function refusePartOfTopic(
  trx: Transaction,
  job: string,
  topic: string,
  lost: readonly LostPosition[],
): Promise<void> {
  const accepted = new Set(lost.map(topicPartitionKey))
  const rows = await trx.readPositions(job)
  const left = rows.find((row) => row.topic === topic && !accepted.has(topicPartitionKey(row)))
  if (left === undefined) return
  throw new OncesinkError(
    'CONFIGURATION_INVALID',
    `topic "${topic}" was created again as a whole: its partitions cannot be accepted one by one, and ` +
      `${topicPartitionKey(left)} was left out; name the topic without partitions`,
  )
}

/** Servers cut long names of sessions, and a name that is as long as this may have been cut. */
const LONG_NAME = 32

function isSameOwner(atServer: string, owner: string): boolean {
  const process = owner.replace(/ \(.*\)$/, '')
  return atServer === process || (atServer.length >= LONG_NAME && process.startsWith(atServer))
}

/**
 * Politeness, not protocol: what makes the act safe is the fence. A living owner would lose what it has in hand, or be
 * stopped by it, and whoever runs the command should know that.
 */
async function refuseLivingOwner(
  job: string,
  connection: Connection,
  lost: readonly LostPosition[],
): Promise<void> {
  const sessions = await connection.sessionsOf(job)
  for (const { position } of lost) {
    const { owner } = position
    const living = owner === null ? undefined : sessions.find((open) => isSameOwner(open.owner, owner))
    if (living === undefined) continue
    throw new OncesinkError(
      'PREFLIGHT_FAILED',
      `process ${owner} of job '${job}' owns ${topicPartitionKey(position)}, and its session ${living.backend.id} is open ` +
        'at the database: stop it first. (If the host is gone and its session lingers, --fence-owner goes on: whatever ' +
        'that process still does, it commits nothing any more.)',
    )
  }
}
