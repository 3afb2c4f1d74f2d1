import { invariant } from '../../errors.ts'
import { sortedByPartition, type TopicPartition } from '../../model/topic-partition.ts'
import type { ClaimWrite, PositionRow, StartReason } from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import type { Session } from './session.ts'

interface StoredPosition {
  readonly topic: string
  readonly partition: number
  readonly next_offset: string
  readonly epoch: string
  readonly claim_id: string | null
  readonly owner: string | null
  readonly seq: string
  readonly incarnation: number
  readonly leader_epoch: number
  readonly updated_at: Date
  readonly topic_id: string
  readonly start_reason: StartReason | null
}

/**
 * Locks first and reads with a second statement: at READ COMMITTED a statement that had to wait for a lock sees the
 * locked row as it is now, but every joined row as it was before the wait.
 */
export async function lockPositions(
  session: Session,
  job: string,
  partitions: readonly TopicPartition[],
): Promise<PositionRow[]> {
  await session.query(
    `SELECT FROM ${ownTable(session, 'offsets')} o
     JOIN unnest($2::text[], $3::int[]) AS v(topic, partition) USING (topic, partition)
     WHERE o.job = $1 ORDER BY o.topic, o.partition FOR UPDATE OF o`,
    [job, ...columns(partitions)],
    { scope: 'own', doing: `lock positions of job '${job}'` },
  )
  return selectPositions(session, job, partitions)
}

/** The rows were locked before, in partition order; so the order of this update does not matter. */
export async function claimPositions(
  session: Session,
  job: string,
  claims: readonly ClaimWrite[],
): Promise<PositionRow[]> {
  const { rowCount } = await session.query(
    `UPDATE ${ownTable(session, 'offsets')} o
     SET epoch = o.epoch + 1, claim_id = v.claim_id, owner = v.owner, updated_at = clock_timestamp()
     FROM unnest($2::text[], $3::int[], $4::uuid[], $5::text[]) AS v(topic, partition, claim_id, owner)
     WHERE o.job = $1 AND o.topic = v.topic AND o.partition = v.partition`,
    [job, ...columns(claims), claims.map((claim) => claim.claimId), claims.map((claim) => claim.owner)],
    { scope: 'own', doing: `claim positions of job '${job}'` },
  )
  invariant(
    rowCount === claims.length,
    `${claims.length} positions were to be claimed, but ${rowCount} exist`,
  )
  return selectPositions(session, job, claims)
}

export function readPositions(session: Session, job: string): Promise<PositionRow[]> {
  return selectPositions(session, job, null)
}

async function selectPositions(
  session: Session,
  job: string,
  partitions: readonly TopicPartition[] | null,
): Promise<PositionRow[]> {
  const only =
    partitions === null ? '' : 'AND (o.topic, o.partition) IN (SELECT * FROM unnest($2::text[], $3::int[]))'
  const { rows } = await session.query<StoredPosition>(
    `SELECT o.topic, o.partition, o.next_offset, o.epoch, o.claim_id, o.owner, o.seq, o.incarnation, o.leader_epoch,
       o.updated_at, t.topic_id,
       (SELECT b.reason FROM ${ownTable(session, 'batches')} b
        WHERE b.job = o.job AND b.topic = o.topic AND b.partition = o.partition
          AND b.kind = 'start' AND b.kind <> 'batch'
        ORDER BY b.incarnation DESC, b.committed_at DESC LIMIT 1) AS start_reason
     FROM ${ownTable(session, 'offsets')} o
     JOIN ${ownTable(session, 'topics')} t ON t.job = o.job AND t.topic = o.topic
     WHERE o.job = $1 ${only} ORDER BY o.topic, o.partition`,
    partitions === null ? [job] : [job, ...columns(partitions)],
    { scope: 'own', doing: `read positions of job '${job}'` },
  )
  return sortedByPartition(rows.map(toPosition))
}

function toPosition(row: StoredPosition): PositionRow {
  invariant(row.start_reason !== null, `${row.topic}/${row.partition} has a position but no recorded start`)
  return {
    topic: row.topic,
    partition: row.partition,
    nextOffset: BigInt(row.next_offset),
    epoch: BigInt(row.epoch),
    claimId: row.claim_id,
    owner: row.owner,
    seq: BigInt(row.seq),
    incarnation: row.incarnation,
    leaderEpoch: row.leader_epoch,
    topicId: row.topic_id,
    updatedAt: row.updated_at,
    startReason: row.start_reason,
  }
}

function columns(partitions: readonly TopicPartition[]): [string[], number[]] {
  return [partitions.map((tp) => tp.topic), partitions.map((tp) => tp.partition)]
}
