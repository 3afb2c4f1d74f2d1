import { invariant } from '../../errors.ts'
import type { LeaderEpochNote, RangeAdvance } from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import { ofPartition, partitionsJson, partitionTable } from './partition-list.ts'
import type { Session } from './session.ts'

const wanted = partitionTable({
  from_offset: 'bigint',
  until_offset: 'bigint',
  wanted_epoch: 'bigint',
  wanted_claim: 'char(36)',
  new_leader_epoch: 'int',
})

/**
 * The compare-and-set, all partitions in one statement. Returns how many rows matched: the connection counts rows
 * found, and a row that matches is always changed as well (seq).
 *
 * The list comes first in the join, whatever the plan's author thinks (STRAIGHT_JOIN), and each of its rows looks up
 * one position by the primary key: so positions are locked one by one in partition order, and two transactions cannot
 * deadlock over them. A locking read sees each row as it is after the wait.
 */
export async function advanceRanges(
  session: Session,
  job: string,
  advances: readonly RangeAdvance[],
): Promise<number> {
  const { affectedRows } = await session.query(
    `UPDATE ${wanted} STRAIGHT_JOIN ${ownTable(session, 'offsets')} o FORCE INDEX (PRIMARY)
       ON ${ofPartition(session.exactCollation)}
     SET o.next_offset = v.until_offset, o.seq = o.seq + 1, o.leader_epoch = v.new_leader_epoch,
       o.updated_at = utc_timestamp(6)
     WHERE o.next_offset = v.from_offset AND o.epoch = v.wanted_epoch
       AND o.claim_id = v.wanted_claim COLLATE ${session.exactCollation}`,
    [listOf(advances), job],
    { scope: 'own', doing: `advance the positions of job '${job}'` },
  )
  return affectedRows
}

/** How many of the ranges are stored, under the same claim: none, unless the transaction that advanced them has committed. */
export async function countMoved(
  session: Session,
  job: string,
  advances: readonly RangeAdvance[],
): Promise<number> {
  const { rows } = await session.query<{ moved: string }>(
    `SELECT count(*) AS moved FROM ${wanted} STRAIGHT_JOIN ${ownTable(session, 'offsets')} o FORCE INDEX (PRIMARY)
       ON ${ofPartition(session.exactCollation)}
     WHERE o.next_offset = v.until_offset AND o.epoch = v.wanted_epoch
       AND o.claim_id = v.wanted_claim COLLATE ${session.exactCollation}`,
    [listOf(advances), job],
    { scope: 'own', doing: `look whether positions of job '${job}' have moved` },
  )
  return Number(rows[0]?.moved)
}

const noted = partitionTable({ new_leader_epoch: 'int' })

/** The rows are locked by the compare-and-set that came before. */
export async function noteLeaderEpochs(
  session: Session,
  job: string,
  epochs: readonly LeaderEpochNote[],
): Promise<void> {
  const list = partitionsJson(epochs, ({ leaderEpoch }) => [leaderEpoch])
  const { affectedRows } = await session.query(
    `UPDATE ${noted} STRAIGHT_JOIN ${ownTable(session, 'offsets')} o FORCE INDEX (PRIMARY)
       ON ${ofPartition(session.exactCollation)}
     SET o.leader_epoch = v.new_leader_epoch`,
    [list, job],
    { scope: 'own', doing: `note the leader epochs of job '${job}'` },
  )
  invariant(
    affectedRows === epochs.length,
    `${epochs.length} leader epochs were to be noted, not ${affectedRows}`,
  )
}

function listOf(advances: readonly RangeAdvance[]): string {
  return partitionsJson(
    advances.map((advance) => ({ ...advance.range, advance })),
    ({ from, until, advance }) => [from, until, advance.epoch, advance.claimId, advance.leaderEpoch],
  )
}
