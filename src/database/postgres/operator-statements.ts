import { invariant } from '../../errors.ts'
import type { PositionMove } from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import type { Session } from './session.ts'

/** Position rows and their ledger rows in one statement, so that neither can be written without the other. */
export async function movePositions(
  session: Session,
  job: string,
  moves: readonly PositionMove[],
): Promise<void> {
  const { rowCount } = await session.query(
    `WITH moved AS (
       UPDATE ${ownTable(session, 'offsets')} o
       SET next_offset = v.until_offset, epoch = o.epoch + 1, claim_id = v.claim_id, owner = v.actor,
         incarnation = o.incarnation + 1, leader_epoch = -1, updated_at = clock_timestamp()
       FROM unnest($2::text[], $3::int[], $4::text[], $5::bigint[], $6::bigint[], $7::uuid[], $8::text[], $9::text[],
           $10::text[], $11::text[])
         AS v(topic, partition, kind, from_offset, until_offset, claim_id, actor, reason, cause, topic_id)
       WHERE o.job = $1 AND o.topic = v.topic AND o.partition = v.partition AND o.next_offset = v.from_offset
       RETURNING o.epoch, o.incarnation, v.*
     )
     INSERT INTO ${ownTable(session, 'batches')}
       (job, topic, partition, incarnation, epoch, kind, from_offset, until_offset, claim_id, records, reason, actor,
        cause, topic_id)
     SELECT $1, topic, partition, incarnation, epoch, kind, from_offset, until_offset, claim_id, 0, reason, actor, cause,
       topic_id
     FROM moved`,
    [
      job,
      moves.map(({ topic }) => topic),
      moves.map(({ partition }) => partition),
      moves.map(({ kind }) => kind),
      moves.map(({ from }) => from),
      moves.map(({ until }) => until),
      moves.map(({ claimId }) => claimId),
      moves.map(({ actor }) => actor),
      moves.map(({ reason }) => reason),
      moves.map(({ cause }) => cause),
      moves.map(({ topicId }) => topicId),
    ],
    { scope: 'own', doing: `move positions of job '${job}'` },
  )
  invariant(
    rowCount === moves.length,
    `${moves.length} positions were to be moved from where they are locked, but ${rowCount} were`,
  )
}

export async function replaceTopicId(
  session: Session,
  job: string,
  topic: string,
  topicId: string,
): Promise<void> {
  const { rowCount } = await session.query(
    `UPDATE ${ownTable(session, 'topics')} SET topic_id = $3 WHERE job = $1 AND topic = $2`,
    [job, topic, topicId],
    { scope: 'own', doing: `replace the id of topic '${topic}'` },
  )
  invariant(rowCount === 1, `topic '${topic}' of job '${job}' is not stored`)
}
