import { invariant } from '../../errors.ts'
import type { LossCause } from '../../model/loss-cause.ts'
import type { BatchPlace, LedgerKind, LedgerRow, LedgerWrite } from '../dialect.ts'
import { digestFromColumn, digestToColumn } from '../digest-column.ts'
import type { InTransaction } from './begin.ts'
import { ownTable } from './own-tables.ts'
import type { Session } from './session.ts'

/** Ledger rows deleted by one statement: pruning a long backlog must not hold locks for long. */
const PRUNE_AT_ONCE = 10_000

interface StoredRow {
  readonly topic: string
  readonly partition: number
  readonly kind: LedgerKind
  readonly incarnation: number
  readonly epoch: string
  readonly claim_id: string | null
  readonly from_offset: string
  readonly until_offset: string
  readonly batch_id: string | null
  readonly records: string
  readonly dead_letters: string
  readonly digest: string | null
  readonly reason: string | null
  readonly actor: string | null
  readonly cause: LossCause | null
  readonly topic_id: string | null
  readonly committed_at: Date
}

/** Writes the rows; returns the server's id of the transaction in which it happened. */
export async function writeLedger(
  session: Session,
  job: string,
  writes: readonly LedgerWrite[],
): Promise<string> {
  const { rows } = await session.query<{ written: string; transaction_id: string }>(
    `WITH written AS (
       INSERT INTO ${ownTable(session, 'batches')}
         (job, topic, partition, incarnation, epoch, kind, from_offset, until_offset, claim_id, batch_id, records,
          dead_letters, digest)
       SELECT $1, * FROM unnest($2::text[], $3::int[], $4::int[], $5::bigint[], $6::text[], $7::bigint[],
         $8::bigint[], $9::uuid[], $10::uuid[], $11::bigint[], $12::bigint[], $13::bigint[])
       RETURNING 1
     )
     SELECT count(*) AS written, txid_current() AS transaction_id FROM written`,
    [
      job,
      writes.map(({ range }) => range.topic),
      writes.map(({ range }) => range.partition),
      writes.map(({ incarnation }) => incarnation),
      writes.map(({ epoch }) => epoch),
      writes.map(({ kind }) => kind),
      writes.map(({ range }) => range.from),
      writes.map(({ range }) => range.until),
      writes.map(({ claimId }) => claimId),
      writes.map(({ batchId }) => batchId),
      writes.map(({ records }) => records),
      writes.map(({ deadLetters }) => deadLetters),
      writes.map(({ digest }) => digestToColumn(digest)),
    ],
    { scope: 'own', doing: `write the ledger of job '${job}'` },
  )
  const [row] = rows
  invariant(row && Number(row.written) === writes.length, 'the ledger did not take every row')
  return row.transaction_id
}

/**
 * Rows in (topic, partition, incarnation, from_offset) order; starts and operator acts begin their incarnation, so
 * they come before its batches.
 */
export async function readLedger(session: Session, job: string): Promise<LedgerRow[]> {
  const { rows } = await session.query<StoredRow>(
    `SELECT topic, partition, kind, incarnation, epoch, claim_id, from_offset, until_offset, batch_id, records,
       dead_letters, digest, reason, actor, cause, topic_id, committed_at
     FROM ${ownTable(session, 'batches')} WHERE job = $1
     ORDER BY topic, partition, incarnation, kind = 'batch', from_offset, kind`,
    [job],
    { scope: 'own', doing: `read the ledger of job '${job}'` },
  )
  return rows.map((row) => ({
    topic: row.topic,
    partition: row.partition,
    kind: row.kind,
    incarnation: row.incarnation,
    epoch: BigInt(row.epoch),
    claimId: row.claim_id,
    fromOffset: BigInt(row.from_offset),
    untilOffset: BigInt(row.until_offset),
    batchId: row.batch_id,
    records: Number(row.records),
    deadLetters: Number(row.dead_letters),
    digest: digestFromColumn(row.digest),
    reason: row.reason,
    actor: row.actor,
    cause: row.cause,
    topicId: row.topic_id,
    committedAt: row.committed_at,
  }))
}

export async function findBatch(
  session: Session,
  job: string,
  { topic, partition, incarnation, epoch, from }: BatchPlace,
): Promise<string | null> {
  const { rows } = await session.query<{ batch_id: string }>(
    `SELECT batch_id FROM ${ownTable(session, 'batches')}
     WHERE job = $1 AND topic = $2 AND partition = $3 AND incarnation = $4 AND epoch = $5 AND from_offset = $6
       AND kind = 'batch'`,
    [job, topic, partition, incarnation, epoch, from],
    { scope: 'own', doing: `look for a batch in the ledger of job '${job}'` },
  )
  return rows[0]?.batch_id ?? null
}

/**
 * Deletes, in each partition, the rows of kind `batch` before the first one that is younger than `retentionMs`, and
 * never the newest: the chain must still end at next_offset. Cut from its beginning only, in chain order, whatever
 * the clock did meanwhile: what remains has no gap.
 *
 * Starts and operator acts are never deleted. They are few, and the oracle recomputes the table from all of them:
 * from the start (or the newest rebuild), without the ranges given up by accept_loss.
 */
export async function pruneLedger(
  session: Session,
  job: string,
  retentionMs: number,
  inTransaction: InTransaction,
): Promise<number> {
  const batches = ownTable(session, 'batches')
  const ofPartition = `c.job = o.job AND c.topic = o.topic AND c.partition = o.partition AND c.kind = 'batch'`
  let deleted = 0
  for (;;) {
    const { rowCount } = await inTransaction(() =>
      session.query(
        `DELETE FROM ${batches} WHERE ctid = ANY (ARRAY(
         SELECT b.ctid FROM ${ownTable(session, 'offsets')} o
         CROSS JOIN LATERAL (
           SELECT least(
             (SELECT ROW(c.incarnation, c.epoch, c.from_offset) FROM ${batches} c
              WHERE ${ofPartition} AND c.committed_at >= clock_timestamp() - $2::float8 * interval '1 ms'
              ORDER BY c.incarnation, c.epoch, c.from_offset LIMIT 1),
             (SELECT ROW(c.incarnation, c.epoch, c.from_offset) FROM ${batches} c
              WHERE ${ofPartition}
              ORDER BY c.incarnation DESC, c.epoch DESC, c.from_offset DESC LIMIT 1)
           ) AS row
         ) AS first_kept
         JOIN ${batches} b ON b.job = o.job AND b.topic = o.topic AND b.partition = o.partition AND b.kind = 'batch'
           AND ROW(b.incarnation, b.epoch, b.from_offset) < first_kept.row
         WHERE o.job = $1
         ORDER BY b.topic, b.partition, b.incarnation, b.epoch, b.from_offset
         LIMIT ${PRUNE_AT_ONCE}
       ))`,
        [job, retentionMs],
        { scope: 'own', doing: `prune the ledger of job '${job}'` },
      ),
    )
    deleted += rowCount ?? 0
    if ((rowCount ?? 0) < PRUNE_AT_ONCE) return deleted
  }
}
