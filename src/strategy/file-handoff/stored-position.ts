import type { PositionRow } from '../../database/dialect.ts'
import type { JobSession } from '../../database/protocol/session.ts'
import { type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'

/** A partition's position as the database has it now; undefined where it has none. */
export async function storedPosition(
  session: JobSession,
  tp: TopicPartition,
): Promise<PositionRow | undefined> {
  const trx = await (await session.connection()).begin('snapshot')
  try {
    const rows = await trx.readPositions(session.job)
    return rows.find((row) => topicPartitionKey(row) === topicPartitionKey(tp))
  } finally {
    await trx.rollback()
  }
}
