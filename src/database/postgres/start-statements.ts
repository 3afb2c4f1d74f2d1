import { invariant } from '../../errors.ts'
import { topicPartitionKey } from '../../model/topic-partition.ts'
import type { StartRow, TopicRow } from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import type { Session } from './session.ts'

export async function lockTopics(session: Session, job: string): Promise<TopicRow[]> {
  const { rows } = await session.query<{ topic: string; topic_id: string; known_partitions: number }>(
    `SELECT topic, topic_id, known_partitions FROM ${ownTable(session, 'topics')}
     WHERE job = $1 ORDER BY topic FOR UPDATE`,
    [job],
    { scope: 'own', doing: `lock the topics of job '${job}'` },
  )
  return rows.map((row) => ({
    topic: row.topic,
    topicId: row.topic_id,
    knownPartitions: row.known_partitions,
  }))
}

/** Partitions are never forgotten: the stored number only rises. The topic's id is never replaced. */
export async function upsertTopic(session: Session, job: string, row: TopicRow): Promise<void> {
  const { rowCount } = await session.query(
    `INSERT INTO ${ownTable(session, 'topics')} AS t (job, topic, topic_id, known_partitions)
     VALUES ($1, $2, $3, $4)
     ON CONFLICT (job, topic) DO UPDATE
       SET known_partitions = greatest(t.known_partitions, EXCLUDED.known_partitions)
       WHERE t.topic_id = EXCLUDED.topic_id`,
    [job, row.topic, row.topicId, row.knownPartitions],
    { scope: 'own', doing: `register topic '${row.topic}'` },
  )
  invariant(rowCount === 1, `topic '${row.topic}' of job '${job}' is stored with another topic id`)
}

/** Position rows and their ledger rows of kind `start` (empty ranges at the start), in one statement each. */
export async function insertStarts(
  session: Session,
  job: string,
  starts: readonly StartRow[],
): Promise<void> {
  const purpose = { scope: 'own', doing: `write starting positions of job '${job}'` } as const
  const values = [
    job,
    starts.map((start) => start.topic),
    starts.map((start) => start.partition),
    starts.map((start) => start.nextOffset),
  ]
  const positions = await session.query(
    `INSERT INTO ${ownTable(session, 'offsets')} (job, topic, partition, next_offset)
     SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[])`,
    values,
    purpose,
  )
  const recorded = await session.query(
    `INSERT INTO ${ownTable(session, 'batches')}
       (job, topic, partition, incarnation, epoch, kind, from_offset, until_offset, records, reason)
     SELECT $1, v.topic, v.partition, 0, 0, 'start', v.next_offset, v.next_offset, 0, v.reason
     FROM unnest($2::text[], $3::int[], $4::bigint[], $5::text[]) AS v(topic, partition, next_offset, reason)`,
    [...values, starts.map((start) => start.reason)],
    purpose,
  )
  invariant(
    positions.rowCount === starts.length && recorded.rowCount === starts.length,
    `${starts.length} starting positions were to be written, the server wrote ${positions.rowCount} and ${recorded.rowCount}`,
  )
}

/** Moves a start from which nothing was committed yet; the recorded start moves with it. */
export async function replaceStart(session: Session, job: string, start: StartRow): Promise<void> {
  const purpose = {
    scope: 'own',
    doing: `replace the starting position of ${topicPartitionKey(start)}`,
  } as const
  const values = [job, start.topic, start.partition, start.nextOffset]
  const position = await session.query(
    `UPDATE ${ownTable(session, 'offsets')} SET next_offset = $4, updated_at = clock_timestamp()
     WHERE job = $1 AND topic = $2 AND partition = $3 AND seq = 0`,
    values,
    purpose,
  )
  const recorded = await session.query(
    `UPDATE ${ownTable(session, 'batches')} b
     SET from_offset = $4, until_offset = $4, reason = $5, committed_at = clock_timestamp()
     FROM ${ownTable(session, 'offsets')} o
     WHERE b.job = $1 AND b.topic = $2 AND b.partition = $3 AND b.kind = 'start' AND b.incarnation = o.incarnation
       AND o.job = $1 AND o.topic = $2 AND o.partition = $3`,
    [...values, start.reason],
    purpose,
  )
  invariant(
    position.rowCount === 1 && recorded.rowCount === 1,
    `the start of ${topicPartitionKey(start)} was to be replaced, but batches were already committed from it`,
  )
}
