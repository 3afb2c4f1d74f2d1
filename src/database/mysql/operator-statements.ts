import { invariant } from '../../errors.ts'
import { topicPartitionKey } from '../../model/topic-partition.ts'
import type { PositionMove } from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import type { Session } from './session.ts'

/** One after another, as they are few: each position row, then the ledger row that says what it has become. */
export async function movePositions(
  session: Session,
  job: string,
  moves: readonly PositionMove[],
): Promise<void> {
  for (const move of moves) {
    const { topic, partition, kind, from, until, claimId, actor, reason, cause, topicId } = move
    const purpose = { scope: 'own', doing: `move the position of ${topicPartitionKey(move)}` } as const
    const moved = await session.query(
      `UPDATE ${ownTable(session, 'offsets')}
       SET next_offset = ?, epoch = epoch + 1, claim_id = ?, owner = ?, incarnation = incarnation + 1, leader_epoch = -1,
         updated_at = utc_timestamp(6)
       WHERE job = ? AND topic = ? AND \`partition\` = ? AND next_offset = ?`,
      [until, claimId, actor, job, topic, partition, from],
      purpose,
    )
    const recorded = await session.query(
      `INSERT INTO ${ownTable(session, 'batches')}
         (job, topic, \`partition\`, kind, incarnation, epoch, from_offset, until_offset, claim_id, records, reason, actor,
          cause, topic_id)
       SELECT job, topic, \`partition\`, ?, incarnation, epoch, ?, next_offset, claim_id, 0, ?, owner, ?, ?
       FROM ${ownTable(session, 'offsets')} WHERE job = ? AND topic = ? AND \`partition\` = ?`,
      [kind, from, reason, cause, topicId, job, topic, partition],
      purpose,
    )
    invariant(
      moved.affectedRows === 1 && recorded.affectedRows === 1,
      `the position of ${topicPartitionKey(move)} was to be moved from ${from}, where it is not`,
    )
  }
}

export async function replaceTopicId(
  session: Session,
  job: string,
  topic: string,
  topicId: string,
): Promise<void> {
  const { affectedRows } = await session.query(
    `UPDATE ${ownTable(session, 'topics')} SET topic_id = ? WHERE job = ? AND topic = ?`,
    [topicId, job, topic],
    { scope: 'own', doing: `replace the id of topic '${topic}'` },
  )
  invariant(affectedRows === 1, `topic '${topic}' of job '${job}' is not stored`)
}
