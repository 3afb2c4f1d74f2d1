import type { Knex } from 'knex'
import { invariant, type RecordCoordinates } from '../../errors.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type {
  AppendTextWrite,
  AppendWrite,
  BatchPlace,
  ClaimWrite,
  CommitResult,
  DeadLetterContent,
  DeadLetterQuery,
  DeadLetterRow,
  DeadLetterWrite,
  JobRow,
  LeaderEpochNote,
  LedgerRow,
  LedgerWrite,
  MergeWrite,
  PositionMove,
  PositionRow,
  RangeAdvance,
  StartRow,
  TopicRow,
  Transaction,
  UpsertWrite,
} from '../dialect.ts'
import { OperationGate } from '../operation-gate.ts'
import { advanceRanges, noteLeaderEpochs } from './advance-ranges.ts'
import { appendRows } from './append-rows.ts'
import { appendText } from './append-text.ts'
import { claimPositions, lockPositions, readPositions } from './claim-statements.ts'
import { commit, rollback } from './commit.ts'
import { countDeadLetters, listDeadLetters, readDeadLetters, writeDeadLetters } from './dead-letters.ts'
import { findJobsWritingTo, insertJob, lockJob, readJob, updateJob } from './job-statements.ts'
import { findBatch, readLedger, writeLedger } from './ledger.ts'
import { mergeRows } from './merge-rows.ts'
import { movePositions, replaceTopicId } from './operator-statements.ts'
import { readTable } from './read-table.ts'
import type { Session } from './session.ts'
import { insertStarts, lockTopics, replaceStart, upsertTopic } from './start-statements.ts'
import type { TableCatalog } from './table-catalog.ts'
import { upsertRows } from './upsert-rows.ts'
import { runUserCode } from './user-handle.ts'

export interface PostgresTransactionDeps {
  readonly session: Session
  readonly runtime: Runtime
  readonly tables: TableCatalog
  /** Called once, when the connection is free again. */
  readonly onEnd: () => void
}

/** One transaction of one session; its states are those of {@link OperationGate}. */
export class PostgresTransaction implements Transaction {
  readonly #session: Session
  readonly #deps: PostgresTransactionDeps
  readonly #gate: OperationGate
  /** The server's id of this transaction, once ranges were advanced in it. */
  #transactionId: string | null = null

  constructor(deps: PostgresTransactionDeps) {
    this.#deps = deps
    this.#session = deps.session
    this.#gate = new OperationGate({
      commit: () => commit(deps.session),
      rollback: () => rollback(deps.session),
      destroy: () => deps.session.destroy(),
      onEnd: deps.onEnd,
    })
  }

  lockJob(job: string): Promise<JobRow | null> {
    return this.#gate.run(() => lockJob(this.#session, job))
  }

  insertJob(row: JobRow): Promise<void> {
    return this.#gate.run(() => insertJob(this.#session, row))
  }

  updateJob(row: JobRow): Promise<void> {
    return this.#gate.run(() => updateJob(this.#session, row))
  }

  findJobsWritingTo(tables: readonly string[], job: string): Promise<{ job: string; table: string }[]> {
    return this.#gate.run(() => findJobsWritingTo(this.#session, tables, job))
  }

  lockTopics(job: string): Promise<TopicRow[]> {
    return this.#gate.run(() => lockTopics(this.#session, job))
  }

  upsertTopic(job: string, row: TopicRow): Promise<void> {
    return this.#gate.run(() => upsertTopic(this.#session, job, row))
  }

  insertStarts(job: string, starts: readonly StartRow[]): Promise<void> {
    return this.#gate.run(() => insertStarts(this.#session, job, starts))
  }

  replaceStart(job: string, start: StartRow): Promise<void> {
    return this.#gate.run(() => replaceStart(this.#session, job, start))
  }

  lockPositions(job: string, partitions: readonly TopicPartition[]): Promise<PositionRow[]> {
    return this.#gate.run(() => lockPositions(this.#session, job, partitions))
  }

  claimPositions(job: string, claims: readonly ClaimWrite[]): Promise<PositionRow[]> {
    return this.#gate.run(() => claimPositions(this.#session, job, claims))
  }

  movePositions(job: string, moves: readonly PositionMove[]): Promise<void> {
    return this.#gate.run(() => movePositions(this.#session, job, moves))
  }

  replaceTopicId(job: string, topic: string, topicId: string): Promise<void> {
    return this.#gate.run(() => replaceTopicId(this.#session, job, topic, topicId))
  }

  readPositions(job: string): Promise<PositionRow[]> {
    return this.#gate.run(() => readPositions(this.#session, job))
  }

  advanceRanges(job: string, advances: readonly RangeAdvance[]): Promise<number> {
    return this.#gate.run(async () => {
      const { matched, transactionId } = await advanceRanges(this.#session, job, advances)
      this.#sameTransaction(transactionId)
      return matched
    })
  }

  upsertRows(write: UpsertWrite): Promise<number> {
    return this.#gate.run(() => upsertRows(this.#session, this.#deps.tables, write))
  }

  noteLeaderEpochs(job: string, epochs: readonly LeaderEpochNote[]): Promise<void> {
    return this.#gate.run(() => noteLeaderEpochs(this.#session, job, epochs))
  }

  mergeRows(write: MergeWrite): Promise<number> {
    return this.#gate.run(() => mergeRows(this.#session, this.#deps.tables, write))
  }

  appendRows(write: AppendWrite): Promise<number> {
    return this.#gate.run(() =>
      appendRows(this.#session, this.#deps.tables, this.#deps.runtime.faultPoints, write),
    )
  }

  appendText(write: AppendTextWrite): Promise<number> {
    return this.#gate.run(() =>
      appendText(this.#session, this.#deps.tables, this.#deps.runtime.faultPoints, write),
    )
  }

  runUserCode(work: (trx: Knex) => Promise<unknown>): Promise<void> {
    return this.#gate.run(() => runUserCode(this.#session, work))
  }

  writeDeadLetters(job: string, letters: readonly DeadLetterWrite[]): Promise<void> {
    return this.#gate.run(() => writeDeadLetters(this.#session, job, letters))
  }

  countDeadLetters(job: string, withinMs: number): Promise<number> {
    return this.#gate.run(() => countDeadLetters(this.#session, job, withinMs))
  }

  writeLedger(job: string, rows: readonly LedgerWrite[]): Promise<void> {
    return this.#gate.run(async () => {
      this.#sameTransaction(await writeLedger(this.#session, job, rows))
    })
  }

  readJob(job: string): Promise<JobRow | null> {
    return this.#gate.run(() => readJob(this.#session, job))
  }

  readLedger(job: string): Promise<LedgerRow[]> {
    return this.#gate.run(() => readLedger(this.#session, job))
  }

  findBatch(job: string, place: BatchPlace): Promise<string | null> {
    return this.#gate.run(() => findBatch(this.#session, job, place))
  }

  listDeadLetters(job: string, query: DeadLetterQuery): Promise<DeadLetterRow[]> {
    return this.#gate.run(() => listDeadLetters(this.#session, job, query))
  }

  readDeadLetters(job: string, record: RecordCoordinates): Promise<DeadLetterContent[]> {
    return this.#gate.run(() => readDeadLetters(this.#session, job, record))
  }

  readTable(table: string, columns: readonly string[]): AsyncIterable<(string | null)[]> {
    return this.#gate.runPages(readTable(this.#session, table, columns))
  }

  commit(): Promise<CommitResult> {
    return this.#gate.commit()
  }

  rollback(): Promise<void> {
    return this.#gate.rollback()
  }

  /**
   * The second guard against a COMMIT hidden in the user's code (the first refuses to send it): the positions and
   * the ledger must have been written by the same transaction.
   */
  #sameTransaction(id: string): void {
    invariant(
      this.#transactionId === null || this.#transactionId === id,
      `the transaction ended before its COMMIT: ranges were advanced in transaction ${this.#transactionId}, the ledger ` +
        `is being written in ${id}. Something in the job's own SQL committed or rolled back`,
    )
    this.#transactionId = id
  }
}
