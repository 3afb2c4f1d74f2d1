import { invariant } from '../../errors.ts'
import type { LossCause } from '../../model/loss-cause.ts'
import type { BatchPlace, LedgerKind, LedgerRow, LedgerWrite } from '../dialect.ts'
import { digestFromColumn, digestToColumn } from '../digest-column.ts'
import { ownTable } from './own-tables.ts'
import type { Session, TextRow } from './session.ts'
import { dateOf } from './stored-values.ts'

/** Ledger rows deleted by one statement: pruning a long backlog must not hold locks for long. */
const PRUNE_AT_ONCE = 10_000

interface StoredRow extends TextRow {
  readonly topic: string
  readonly partition: string
  readonly kind: LedgerKind
  readonly incarnation: string
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
  readonly committed_at: string
}

export async function writeLedger(
  session: Session,
  job: string,
  writes: readonly LedgerWrite[],
): Promise<void> {
  const { affectedRows } = await session.query(
    `INSERT INTO ${ownTable(session, 'batches')}
       (job, topic, \`partition\`, kind, incarnation, epoch, from_offset, until_offset, claim_id, batch_id, records,
        dead_letters, digest)
     VALUES ${writes.map(() => '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').join(', ')}`,
    writes.flatMap(({ range, kind, incarnation, epoch, claimId, batchId, records, deadLetters, digest }) => [
      job,
      range.topic,
      range.partition,
      kind,
      incarnation,
      epoch,
      range.from,
      range.until,
      claimId,
      batchId,
      records,
      deadLetters,
      digestToColumn(digest),
    ]),
    { scope: 'own', doing: `write the ledger of job '${job}'` },
  )
  invariant(affectedRows === writes.length, 'the ledger did not take every row')
}

/**
 * Rows in (topic, partition, incarnation, from_offset) order; starts and operator acts begin their incarnation, so
 * they come before its batches.
 */
export async function readLedger(session: Session, job: string): Promise<LedgerRow[]> {
  const { rows } = await session.query<StoredRow>(
    `SELECT topic, \`partition\`, kind, incarnation, epoch, claim_id, from_offset, until_offset, batch_id, records,
       dead_letters, digest, reason, actor, cause, topic_id, committed_at
     FROM ${ownTable(session, 'batches')} WHERE job = ?
     ORDER BY topic, \`partition\`, incarnation, kind = 'batch', from_offset, kind`,
    [job],
    { scope: 'own', doing: `read the ledger of job '${job}'` },
  )
  return rows.map((row) => ({
    topic: row.topic,
    partition: Number(row.partition),
    kind: row.kind,
    incarnation: Number(row.incarnation),
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
    committedAt: dateOf(row.committed_at),
  }))
}

export async function findBatch(
  session: Session,
  job: string,
  { topic, partition, incarnation, epoch, from }: BatchPlace,
): Promise<string | null> {
  const { rows } = await session.query<{ batch_id: string }>(
    `SELECT batch_id FROM ${ownTable(session, 'batches')}
     WHERE job = ? AND topic = ? AND \`partition\` = ? AND incarnation = ? AND epoch = ? AND from_offset = ?
       AND kind = 'batch'`,
    [job, topic, partition, incarnation, epoch, from],
    { scope: 'own', doing: `look for a batch in the ledger of job '${job}'` },
  )
  return rows[0]?.batch_id ?? null
}

/** Where in a partition's chain a row of kind `batch` stands. */
interface ChainPlace extends TextRow {
  readonly incarnation: string
  readonly epoch: string
  readonly from_offset: string
}

/**
 * Deletes, in each partition, the rows of kind `batch` before the first one that is younger than `retentionMs`, and
 * never the newest: the chain must still end at next_offset. Cut from its beginning only, in chain order, whatever
 * the clock did meanwhile: what remains has no gap.
 *
 * Starts and operator acts are never deleted. They are few, and the oracle recomputes the table from all of them:
 * from the start (or the newest rebuild), without the ranges given up by accept_loss.
 *
 * Partition by partition, each by ranges of the primary key: a statement that scanned the ledger would wait for the
 * rows that batches are writing at its end.
 */
export async function pruneLedger(session: Session, job: string, retentionMs: number): Promise<number> {
  const { rows } = await session.query<{ topic: string; partition: string }>(
    `SELECT topic, \`partition\` FROM ${ownTable(session, 'offsets')} WHERE job = ?`,
    [job],
    purposeOf(job),
  )
  let deleted = 0
  for (const { topic, partition } of rows) {
    const chain: Chain = { job, topic, partition: Number(partition) }
    const firstKept = await firstToKeep(session, chain, retentionMs)
    if (firstKept) deleted += await deleteBefore(session, chain, firstKept)
  }
  return deleted
}

interface Chain {
  readonly job: string
  readonly topic: string
  readonly partition: number
}

const ofChain = `job = ? AND topic = ? AND \`partition\` = ? AND kind = 'batch'`

async function firstToKeep(
  session: Session,
  { job, topic, partition }: Chain,
  retentionMs: number,
): Promise<ChainPlace | null> {
  const select = `SELECT incarnation, epoch, from_offset FROM ${ownTable(session, 'batches')} WHERE ${ofChain}`
  const young = await session.query<ChainPlace>(
    `${select} AND committed_at >= utc_timestamp(6) - INTERVAL ? MICROSECOND
     ORDER BY incarnation, epoch, from_offset LIMIT 1`,
    [job, topic, partition, Math.round(retentionMs * 1_000)],
    purposeOf(job),
  )
  const newest = await session.query<ChainPlace>(
    `${select} ORDER BY incarnation DESC, epoch DESC, from_offset DESC LIMIT 1`,
    [job, topic, partition],
    purposeOf(job),
  )
  return earlier(young.rows[0], newest.rows[0])
}

function earlier(a: ChainPlace | undefined, b: ChainPlace | undefined): ChainPlace | null {
  if (!a || !b) return a ?? b ?? null
  for (const field of ['incarnation', 'epoch', 'from_offset'] as const) {
    const [x, y] = [BigInt(a[field]), BigInt(b[field])]
    if (x !== y) return x < y ? a : b
  }
  return a
}

/** Spelled out: neither server looks up a comparison of rows (`(a, b) < (1, 2)`) in an index. */
async function deleteBefore(
  session: Session,
  { job, topic, partition }: Chain,
  { incarnation, epoch, from_offset: offset }: ChainPlace,
): Promise<number> {
  let deleted = 0
  for (;;) {
    const { affectedRows } = await session.query(
      `DELETE FROM ${ownTable(session, 'batches')} WHERE ${ofChain}
         AND (incarnation < ? OR (incarnation = ? AND epoch < ?)
           OR (incarnation = ? AND epoch = ? AND from_offset < ?))
       ORDER BY incarnation, epoch, from_offset LIMIT ${PRUNE_AT_ONCE}`,
      [
        job,
        topic,
        partition,
        ...[incarnation, incarnation, epoch, incarnation, epoch, offset].map((value) => BigInt(value)),
      ],
      purposeOf(job),
    )
    deleted += affectedRows
    if (affectedRows < PRUNE_AT_ONCE) return deleted
  }
}

function purposeOf(job: string) {
  return { scope: 'own', doing: `prune the ledger of job '${job}'` } as const
}
