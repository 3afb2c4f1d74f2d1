import { invariant } from '../../errors.ts'
import { topicPartitionKey } from '../../model/topic-partition.ts'
import type { StartRow, TopicRow } from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import type { Session, SqlValue, TextRow } from './session.ts'

interface StoredTopic extends TextRow {
  readonly topic: string
  readonly topic_id: string
  readonly known_partitions: string
}

export async function lockTopics(session: Session, job: string): Promise<TopicRow[]> {
  const { rows } = await session.query<StoredTopic>(
    `SELECT topic, topic_id, known_partitions FROM ${ownTable(session, 'topics')}
     WHERE job = ? ORDER BY topic FOR UPDATE`,
    [job],
    { scope: 'own', doing: `lock the topics of job '${job}'` },
  )
  return rows.map((row) => ({
    topic: row.topic,
    topicId: row.topic_id,
    knownPartitions: Number(row.known_partitions),
  }))
}

/** Partitions are never forgotten: the stored number only rises. The topic's id is never replaced. */
export async function upsertTopic(session: Session, job: string, row: TopicRow): Promise<void> {
  const topics = ownTable(session, 'topics')
  const purpose = { scope: 'own', doing: `register topic '${row.topic}'` } as const
  // The lock on the job's row makes this one act.
  const known = await session.query<{ topic_id: string }>(
    `SELECT topic_id FROM ${topics} WHERE job = ? AND topic = ? FOR UPDATE`,
    [job, row.topic],
    purpose,
  )
  const stored = known.rows[0]?.topic_id ?? row.topicId
  invariant(stored === row.topicId, `topic '${row.topic}' of job '${job}' is stored with another topic id`)
  const { affectedRows } =
    known.rows.length === 0
      ? await session.query(
          `INSERT INTO ${topics} (job, topic, topic_id, known_partitions) VALUES (?, ?, ?, ?)`,
          [job, row.topic, row.topicId, row.knownPartitions],
          purpose,
        )
      : await session.query(
          `UPDATE ${topics} SET known_partitions = greatest(known_partitions, ?) WHERE job = ? AND topic = ?`,
          [row.knownPartitions, job, row.topic],
          purpose,
        )
  invariant(affectedRows === 1, `topic '${row.topic}' of job '${job}' was not written`)
}

/** Position rows and their ledger rows of kind `start` (empty ranges at the start), in one statement each. */
export async function insertStarts(
  session: Session,
  job: string,
  starts: readonly StartRow[],
): Promise<void> {
  if (starts.length === 0) return
  const purpose = { scope: 'own', doing: `write starting positions of job '${job}'` } as const
  const insert = (text: string, values: string, row: (start: StartRow) => SqlValue[]) =>
    session.query(`${text} VALUES ${starts.map(() => values).join(', ')}`, starts.flatMap(row), purpose)
  const positions = await insert(
    `INSERT INTO ${ownTable(session, 'offsets')} (job, topic, \`partition\`, next_offset)`,
    '(?, ?, ?, ?)',
    (start) => [job, start.topic, start.partition, start.nextOffset],
  )
  const recorded = await insert(
    `INSERT INTO ${ownTable(session, 'batches')}
       (job, topic, \`partition\`, kind, incarnation, epoch, from_offset, until_offset, records, reason)`,
    `(?, ?, ?, 'start', 0, 0, ?, ?, 0, ?)`,
    (start) => [job, start.topic, start.partition, start.nextOffset, start.nextOffset, start.reason],
  )
  invariant(
    positions.affectedRows === starts.length && recorded.affectedRows === starts.length,
    `${starts.length} starting positions were to be written, the server wrote ${positions.affectedRows} and ${recorded.affectedRows}`,
  )
}

/** Moves a start from which nothing was committed yet; the recorded start moves with it. */
export async function replaceStart(session: Session, job: string, start: StartRow): Promise<void> {
  const purpose = {
    scope: 'own',
    doing: `replace the starting position of ${topicPartitionKey(start)}`,
  } as const
  const { topic, partition, nextOffset, reason } = start
  const position = await session.query(
    `UPDATE ${ownTable(session, 'offsets')} SET next_offset = ?, updated_at = utc_timestamp(6)
     WHERE job = ? AND topic = ? AND \`partition\` = ? AND seq = 0`,
    [nextOffset, job, topic, partition],
    purpose,
  )
  const recorded = await session.query(
    `UPDATE ${ownTable(session, 'offsets')} o STRAIGHT_JOIN ${ownTable(session, 'batches')} b
       ON b.job = o.job AND b.topic = o.topic AND b.\`partition\` = o.\`partition\` AND b.kind = 'start'
         AND b.incarnation = o.incarnation
     SET b.from_offset = ?, b.until_offset = ?, b.reason = ?, b.committed_at = utc_timestamp(6)
     WHERE o.job = ? AND o.topic = ? AND o.\`partition\` = ?`,
    [nextOffset, nextOffset, reason, job, topic, partition],
    purpose,
  )
  invariant(
    position.affectedRows === 1 && recorded.affectedRows === 1,
    `the start of ${topicPartitionKey(start)} was to be replaced, but batches were already committed from it`,
  )
}
