import { asError, invariant, OncesinkError } from '../../errors.ts'
import type { Claim } from '../../model/claim.ts'
import type { DeadLetter } from '../../model/dead-letter.ts'
import { formatRange, isForward, type OffsetRange } from '../../model/offset-range.ts'
import type { RangeOutcome } from '../../model/outcome.ts'
import { compareTopicPartitions, topicPartitionKey } from '../../model/topic-partition.ts'
import type { Connection, Transaction } from '../dialect.ts'
import { type DeadLetterLimit, setAside } from './dead-letters.ts'
import { fencedReason } from './fencing.ts'
import type { JobSession } from './session.ts'

/** One range with the claim under which it is committed. */
export interface ClaimedRange {
  readonly range: OffsetRange
  readonly claim: Claim
  /** Leader epoch of the last record batch of the range, as far as it is known before the rows are written. */
  readonly leaderEpoch: number
}

/** What was in a range. */
export interface RangeContents {
  /** Visible records of the range, {@link deadLetters} included. */
  readonly records: number
  /** Those of them that the range skips. */
  readonly deadLetters: readonly DeadLetter[]
  /** Of all these records, see `RangeDigest`; null unless the job wants digests in its ledger. */
  readonly digest: bigint | null
  /** Leader epoch of the last record batch of the range. */
  readonly leaderEpoch: number
}

export interface WrittenRows {
  readonly rows: number
  /** In the order of the ranges. */
  readonly contents: readonly RangeContents[]
}

export interface BatchToCommit {
  readonly batchId: string
  /** In partition order. */
  readonly ranges: readonly ClaimedRange[]
  /** How many dead letters the job may have lately; null where there can be none. */
  readonly deadLetterLimit: DeadLetterLimit | null
}

export interface TransactionReport {
  /** In the order of the ranges given. */
  readonly outcomes: readonly RangeOutcome[]
  /** Rows that were written; 0 when it did not come to that. */
  readonly rows: number
  readonly advanceMs: number
  readonly rowsMs: number
  readonly ledgerMs: number
  readonly commitMs: number
}

/**
 * The batch transaction, one order for every strategy: BEGIN, compare-and-set of every range, the user's rows, the
 * dead letters, the ledger, COMMIT. Ranges were fixed before; what is in them need only be known once the rows are
 * written. Nothing is retried inside: whatever fails, the transaction is rolled back and the batch is run again from the
 * positions in SQL.
 *
 * The compare-and-set comes first: it takes the row lock on which claims and batches serialise, and a fenced process
 * finds out before it has written anything.
 */
export async function commitBatch(
  session: JobSession,
  { batchId, ranges, deadLetterLimit }: BatchToCommit,
  writeRows: (trx: Transaction) => Promise<WrittenRows>,
): Promise<TransactionReport> {
  assertRanges(ranges)
  const phases = { advanceMs: 0, rowsMs: 0, ledgerMs: 0, commitMs: 0 }
  let rows = 0
  const report = (outcomes: RangeOutcome[]): TransactionReport => ({ outcomes, rows, ...phases })
  const all = (outcome: (range: OffsetRange) => RangeOutcome) =>
    report(ranges.map(({ range }) => outcome(range)))
  const { clock, faultPoints } = session.runtime
  let connection: Connection
  let trx: Transaction | null = null
  let since = clock.monotonicMs()
  const endPhase = (phase: keyof typeof phases) => {
    const now = clock.monotonicMs()
    phases[phase] = now - since
    since = now
  }
  try {
    connection = await session.connection()
    trx = await connection.begin('batch')
    await faultPoints.reach('transaction.begun')
    const matched = await trx.advanceRanges(session.job, ranges.map(toAdvance))
    endPhase('advanceMs')
    if (matched !== ranges.length) {
      await trx.rollback()
      return report(await explainFencing(session, connection, ranges))
    }
    await faultPoints.reach('transaction.advanced')
    const written = await writeRows(trx)
    rows = written.rows
    await faultPoints.reach('transaction.rows-written')
    endPhase('rowsMs')
    const read = withContents(ranges, written.contents)
    await setAside(session, trx, batchId, read, deadLetterLimit)
    await noteLeaderEpochs(session, trx, ranges, written.contents)
    await trx.writeLedger(
      session.job,
      read.map((entry) => toLedger(entry, batchId)),
    )
    await faultPoints.reach('transaction.ledger-written')
    endPhase('ledgerMs')
  } catch (error) {
    await trx?.rollback()
    if (error instanceof OncesinkError && error.disposition === 'crash') throw error
    return all((range) => ({ kind: 'aborted', range, error: asError(error) }))
  }
  const result = await trx.commit()
  endPhase('commitMs')
  if (result.kind !== 'committed') return all((range) => ({ kind: result.kind, range, error: result.error }))
  await faultPoints.reach('transaction.committed')
  return all((range) => ({ kind: 'committed', range }))
}

function assertRanges(ranges: readonly ClaimedRange[]): void {
  invariant(ranges.length > 0, 'a batch without ranges was to be committed')
  for (const [i, { range, claim }] of ranges.entries()) {
    invariant(isForward(range), `range ${formatRange(range)} does not move forward`)
    invariant(
      compareTopicPartitions(range, claim) === 0,
      `range ${formatRange(range)} goes with another claim`,
    )
    const previous = ranges[i - 1]
    if (previous) {
      invariant(
        compareTopicPartitions(previous.range, range) < 0,
        `range ${formatRange(range)} is not in partition order`,
      )
    }
  }
}

function toAdvance({ range, claim, leaderEpoch }: ClaimedRange) {
  return { range, epoch: claim.epoch, claimId: claim.claimId, leaderEpoch }
}

type ReadRange = ClaimedRange & RangeContents

function withContents(ranges: readonly ClaimedRange[], contents: readonly RangeContents[]): ReadRange[] {
  return ranges.map((claimed, i) => {
    const content = contents[i]
    invariant(content, `of range ${formatRange(claimed.range)} it is not known what was in it`)
    return { ...claimed, ...content }
  })
}

/** A range that was not read yet when its position moved may end in a record batch of a newer leader. */
async function noteLeaderEpochs(
  session: JobSession,
  trx: Transaction,
  ranges: readonly ClaimedRange[],
  contents: readonly RangeContents[],
): Promise<void> {
  const changed = ranges.flatMap(({ range: { topic, partition }, leaderEpoch: before }, i) => {
    const leaderEpoch = contents[i]?.leaderEpoch ?? before
    return leaderEpoch === before ? [] : [{ topic, partition, leaderEpoch }]
  })
  if (changed.length > 0) await trx.noteLeaderEpochs(session.job, changed)
}

function toLedger({ range, claim, records, deadLetters, digest }: ReadRange, batchId: string) {
  const { epoch, claimId, incarnation } = claim
  const contents = { records, deadLetters: deadLetters.length, digest: digest ?? null }
  return { range, kind: 'batch' as const, incarnation, epoch, claimId, batchId, ...contents }
}

/** After a compare-and-set that did not match: reads the rows under lock and tells why, range by range. */
async function explainFencing(
  session: JobSession,
  connection: Connection,
  ranges: readonly ClaimedRange[],
): Promise<RangeOutcome[]> {
  const trx = await connection.begin('claim')
  try {
    const rows = await trx.lockPositions(
      session.job,
      ranges.map(({ range }) => range),
    )
    const byKey = new Map(rows.map((row) => [topicPartitionKey(row), row]))
    return ranges.map(({ range, claim }): RangeOutcome => {
      const row = byKey.get(topicPartitionKey(range))
      return {
        kind: 'fenced',
        range,
        reason: fencedReason(row, claim, range.from),
        owner: row?.owner ?? null,
      }
    })
  } catch (error) {
    return ranges.map(({ range }) => ({ kind: 'aborted', range, error: asError(error) }))
  } finally {
    await trx.rollback()
  }
}
