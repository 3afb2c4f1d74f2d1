import { invariant } from '../../errors.ts'
import type { LeaderEpochNote, RangeAdvance } from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import type { Session } from './session.ts'

/**
 * The compare-and-set, all partitions in one statement. Returns how many rows matched, and the server's id of the
 * transaction it happened in.
 *
 * `locked` only fixes the order in which the rows are locked (an UPDATE with a join locks them in whatever order the
 * plan visits them, and two transactions in different orders deadlock). What decides is the comparison in the UPDATE:
 * after waiting for a lock, READ COMMITTED evaluates it again on the row as it is now.
 */
export async function advanceRanges(
  session: Session,
  job: string,
  advances: readonly RangeAdvance[],
): Promise<{ matched: number; transactionId: string }> {
  const offsets = ownTable(session, 'offsets')
  const { rows } = await session.query<{ matched: string; transaction_id: string }>(
    `WITH locked AS (
       SELECT v.* FROM ${offsets} o
       JOIN unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::uuid[], $8::int[])
         AS v(topic, partition, from_offset, until_offset, epoch, claim_id, leader_epoch)
         ON o.topic = v.topic AND o.partition = v.partition
       WHERE o.job = $1
       ORDER BY o.topic, o.partition
       FOR NO KEY UPDATE OF o
     ), advanced AS (
       UPDATE ${offsets} o
       SET next_offset = l.until_offset, seq = o.seq + 1, leader_epoch = l.leader_epoch,
         updated_at = clock_timestamp()
       FROM locked l
       WHERE o.job = $1 AND o.topic = l.topic AND o.partition = l.partition
         AND o.next_offset = l.from_offset AND o.epoch = l.epoch AND o.claim_id = l.claim_id
       RETURNING 1
     )
     SELECT count(*) AS matched, txid_current() AS transaction_id FROM advanced`,
    [
      job,
      advances.map(({ range }) => range.topic),
      advances.map(({ range }) => range.partition),
      advances.map(({ range }) => range.from),
      advances.map(({ range }) => range.until),
      advances.map(({ epoch }) => epoch),
      advances.map(({ claimId }) => claimId),
      advances.map(({ leaderEpoch }) => leaderEpoch),
    ],
    { scope: 'own', doing: `advance the positions of job '${job}'` },
  )
  const [row] = rows
  invariant(row, 'the compare-and-set answered without a row')
  return { matched: Number(row.matched), transactionId: row.transaction_id }
}

/** The rows are locked by the compare-and-set that came before. */
export async function noteLeaderEpochs(
  session: Session,
  job: string,
  epochs: readonly LeaderEpochNote[],
): Promise<void> {
  const { rowCount } = await session.query(
    `UPDATE ${ownTable(session, 'offsets')} o SET leader_epoch = v.leader_epoch
     FROM unnest($2::text[], $3::int[], $4::int[]) AS v(topic, partition, leader_epoch)
     WHERE o.job = $1 AND o.topic = v.topic AND o.partition = v.partition`,
    [
      job,
      epochs.map(({ topic }) => topic),
      epochs.map(({ partition }) => partition),
      epochs.map(({ leaderEpoch }) => leaderEpoch),
    ],
    { scope: 'own', doing: `note the leader epochs of job '${job}'` },
  )
  invariant(
    rowCount === epochs.length,
    `${epochs.length} leader epochs were to be noted, and ${rowCount} were`,
  )
}
