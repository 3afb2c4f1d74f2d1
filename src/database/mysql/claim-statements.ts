import { invariant } from '../../errors.ts'
import { sortedByPartition, type TopicPartition } from '../../model/topic-partition.ts'
import type { ClaimWrite, PositionRow, StartReason } from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import { ofPartition, partitionsJson, partitionTable } from './partition-list.ts'
import type { Session, TextRow } from './session.ts'
import { dateOf } from './stored-values.ts'

interface StoredPosition extends TextRow {
  readonly topic: string
  readonly partition: string
  readonly next_offset: string
  readonly epoch: string
  readonly claim_id: string | null
  readonly owner: string | null
  readonly seq: string
  readonly incarnation: string
  readonly leader_epoch: string
  readonly updated_at: string
  readonly topic_id: string
  readonly start_reason: StartReason | null
}

/**
 * Locks first and reads with a second statement: at READ COMMITTED a statement that had to wait for a lock sees the
 * locked row as it is now, but every joined row as it was before the wait.
 *
 * The list is kept apart by a LIMIT: merged into the query it would be a table that cannot be locked.
 */
export async function lockPositions(
  session: Session,
  job: string,
  partitions: readonly TopicPartition[],
): Promise<PositionRow[]> {
  await session.query(
    `SELECT o.next_offset FROM (SELECT v.* FROM ${partitionTable()} LIMIT ${partitions.length}) v
     STRAIGHT_JOIN ${ownTable(session, 'offsets')} o FORCE INDEX (PRIMARY) ON ${ofPartition(session.exactCollation)}
     FOR UPDATE`,
    [partitionsJson(partitions), job],
    { scope: 'own', doing: `lock positions of job '${job}'` },
  )
  return selectPositions(session, job, partitions)
}

/** The rows were locked before, in partition order. */
export async function claimPositions(
  session: Session,
  job: string,
  claims: readonly ClaimWrite[],
): Promise<PositionRow[]> {
  const list = partitionTable({ new_claim: 'char(36)', claim_owner: 'varchar(300)' })
  const { affectedRows } = await session.query(
    `UPDATE ${list} STRAIGHT_JOIN ${ownTable(session, 'offsets')} o FORCE INDEX (PRIMARY)
       ON ${ofPartition(session.exactCollation)}
     SET o.epoch = o.epoch + 1, o.claim_id = v.new_claim, o.owner = v.claim_owner, o.updated_at = utc_timestamp(6)`,
    [partitionsJson(claims, ({ claimId, owner }) => [claimId, owner]), job],
    { scope: 'own', doing: `claim positions of job '${job}'` },
  )
  invariant(
    affectedRows === claims.length,
    `${claims.length} positions were to be claimed, but ${affectedRows} exist`,
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
  const offsets = ownTable(session, 'offsets')
  const from =
    partitions === null
      ? `${offsets} o`
      : `${partitionTable()} STRAIGHT_JOIN ${offsets} o ON ${ofPartition(session.exactCollation)}`
  const { rows } = await session.query<StoredPosition>(
    `SELECT o.topic, o.\`partition\`, o.next_offset, o.epoch, o.claim_id, o.owner, o.seq, o.incarnation,
       o.leader_epoch, o.updated_at, t.topic_id,
       (SELECT b.reason FROM ${ownTable(session, 'batches')} b
        WHERE b.job = o.job AND b.topic = o.topic AND b.\`partition\` = o.\`partition\` AND b.kind = 'start'
        ORDER BY b.incarnation DESC, b.committed_at DESC LIMIT 1) AS start_reason
     FROM ${from}
     JOIN ${ownTable(session, 'topics')} t ON t.job = o.job AND t.topic = o.topic
     WHERE o.job = ?`,
    partitions === null ? [job] : [partitionsJson(partitions), job, job],
    { scope: 'own', doing: `read positions of job '${job}'` },
  )
  return sortedByPartition(rows.map(toPosition))
}

function toPosition(row: StoredPosition): PositionRow {
  invariant(row.start_reason !== null, `${row.topic}/${row.partition} has a position but no recorded start`)
  return {
    topic: row.topic,
    partition: Number(row.partition),
    nextOffset: BigInt(row.next_offset),
    epoch: BigInt(row.epoch),
    claimId: row.claim_id,
    owner: row.owner,
    seq: BigInt(row.seq),
    incarnation: Number(row.incarnation),
    leaderEpoch: Number(row.leader_epoch),
    topicId: row.topic_id,
    updatedAt: dateOf(row.updated_at),
    startReason: row.start_reason,
  }
}
