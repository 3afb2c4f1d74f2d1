import type { Knex } from 'knex'
import { asError, invariant, OncesinkError, type RecordCoordinates } from '../../errors.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type {
  AppendWrite,
  ClaimWrite,
  CommitResult,
  DeadLetterContent,
  DeadLetterQuery,
  DeadLetterRow,
  DeadLetterWrite,
  JobRow,
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
import { advanceRanges } from './advance-ranges.ts'
import { appendRows } from './append-rows.ts'
import { claimPositions, lockPositions, readPositions } from './claim-statements.ts'
import { commit } from './commit.ts'
import { countDeadLetters, listDeadLetters, readDeadLetters, writeDeadLetters } from './dead-letters.ts'
import { findJobsWritingTo, insertJob, lockJob, readJob, updateJob } from './job-statements.ts'
import { readLedger, writeLedger } from './ledger.ts'
import { mergeRows } from './merge-rows.ts'
import { movePositions, replaceTopicId } from './operator-statements.ts'
import { readTable } from './read-table.ts'
import type { Session } from './session.ts'
import { insertStarts, lockTopics, replaceStart, upsertTopic } from './start-statements.ts'
import type { TableCatalog } from './table-catalog.ts'
import { upsertRows } from './upsert-rows.ts'
import { runUserCode } from './user-handle.ts'

const rollbackPurpose = { scope: 'own', doing: 'roll back' } as const

export interface PostgresTransactionDeps {
  readonly session: Session
  readonly runtime: Runtime
  readonly tables: TableCatalog
  /** Called once, when the connection is free again. */
  readonly onEnd: () => void
}

/**
 * States: `open` -> (an operation fails) -> `failed` -> rollback() -> `ended`;
 *         `open` -> commit() | rollback() -> `ended`.
 * Only `open` accepts operations, one at a time: an operation that failed may have left part of itself behind.
 */
export class PostgresTransaction implements Transaction {
  readonly #session: Session
  readonly #deps: PostgresTransactionDeps
  #state: 'open' | 'failed' | 'ended' = 'open'
  #busy = false
  /** The server's id of this transaction, once ranges were advanced in it. */
  #transactionId: string | null = null

  constructor(deps: PostgresTransactionDeps) {
    this.#deps = deps
    this.#session = deps.session
  }

  lockJob(job: string): Promise<JobRow | null> {
    return this.#run(() => lockJob(this.#session, job))
  }

  insertJob(row: JobRow): Promise<void> {
    return this.#run(() => insertJob(this.#session, row))
  }

  updateJob(row: JobRow): Promise<void> {
    return this.#run(() => updateJob(this.#session, row))
  }

  findJobsWritingTo(tables: readonly string[], job: string): Promise<{ job: string; table: string }[]> {
    return this.#run(() => findJobsWritingTo(this.#session, tables, job))
  }

  lockTopics(job: string): Promise<TopicRow[]> {
    return this.#run(() => lockTopics(this.#session, job))
  }

  upsertTopic(job: string, row: TopicRow): Promise<void> {
    return this.#run(() => upsertTopic(this.#session, job, row))
  }

  insertStarts(job: string, starts: readonly StartRow[]): Promise<void> {
    return this.#run(() => insertStarts(this.#session, job, starts))
  }

  replaceStart(job: string, start: StartRow): Promise<void> {
    return this.#run(() => replaceStart(this.#session, job, start))
  }

  lockPositions(job: string, partitions: readonly TopicPartition[]): Promise<PositionRow[]> {
    return this.#run(() => lockPositions(this.#session, job, partitions))
  }

  claimPositions(job: string, claims: readonly ClaimWrite[]): Promise<PositionRow[]> {
    return this.#run(() => claimPositions(this.#session, job, claims))
  }

  movePositions(job: string, moves: readonly PositionMove[]): Promise<void> {
    return this.#run(() => movePositions(this.#session, job, moves))
  }

  replaceTopicId(job: string, topic: string, topicId: string): Promise<void> {
    return this.#run(() => replaceTopicId(this.#session, job, topic, topicId))
  }

  readPositions(job: string): Promise<PositionRow[]> {
    return this.#run(() => readPositions(this.#session, job))
  }

  advanceRanges(job: string, advances: readonly RangeAdvance[]): Promise<number> {
    return this.#run(async () => {
      const { matched, transactionId } = await advanceRanges(this.#session, job, advances)
      this.#sameTransaction(transactionId)
      return matched
    })
  }

  upsertRows(write: UpsertWrite): Promise<number> {
    return this.#run(() => upsertRows(this.#session, this.#deps.tables, write))
  }

  mergeRows(write: MergeWrite): Promise<number> {
    return this.#run(() => mergeRows(this.#session, this.#deps.tables, write))
  }

  appendRows(write: AppendWrite): Promise<number> {
    return this.#run(() =>
      appendRows(this.#session, this.#deps.tables, this.#deps.runtime.faultPoints, write),
    )
  }

  runUserCode(work: (trx: Knex) => Promise<unknown>): Promise<void> {
    return this.#run(() => runUserCode(this.#session, work))
  }

  writeDeadLetters(job: string, letters: readonly DeadLetterWrite[]): Promise<void> {
    return this.#run(() => writeDeadLetters(this.#session, job, letters))
  }

  countDeadLetters(job: string, withinMs: number): Promise<number> {
    return this.#run(() => countDeadLetters(this.#session, job, withinMs))
  }

  writeLedger(job: string, rows: readonly LedgerWrite[]): Promise<void> {
    return this.#run(async () => {
      this.#sameTransaction(await writeLedger(this.#session, job, rows))
    })
  }

  readJob(job: string): Promise<JobRow | null> {
    return this.#run(() => readJob(this.#session, job))
  }

  readLedger(job: string): Promise<LedgerRow[]> {
    return this.#run(() => readLedger(this.#session, job))
  }

  listDeadLetters(job: string, query: DeadLetterQuery): Promise<DeadLetterRow[]> {
    return this.#run(() => listDeadLetters(this.#session, job, query))
  }

  readDeadLetters(job: string, record: RecordCoordinates): Promise<DeadLetterContent[]> {
    return this.#run(() => readDeadLetters(this.#session, job, record))
  }

  async *readTable(table: string, columns: readonly string[]): AsyncIterable<(string | null)[]> {
    const pages = readTable(this.#session, table, columns)
    for (;;) {
      const page = await this.#run(() => pages.next())
      if (page.done) return
      yield* page.value
    }
  }

  async commit(): Promise<CommitResult> {
    if (this.#state !== 'open' || this.#busy) {
      const was = this.#busy ? 'busy' : this.#state
      await this.rollback()
      return {
        kind: 'aborted',
        error: new OncesinkError('INVARIANT_VIOLATED', `COMMIT was not sent: the transaction was ${was}`),
      }
    }
    this.#state = 'ended'
    try {
      return await commit(this.#session)
    } finally {
      this.#deps.onEnd()
    }
  }

  async rollback(): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    // Whatever is still running would be waited for; a caller who rolls back meanwhile wants out.
    if (this.#busy) this.#session.destroy()
    try {
      if (!this.#session.broken) await this.#session.query('ROLLBACK', null, rollbackPurpose)
    } catch (error) {
      // The server rolls back when the session ends: cutting it is the cleaning up.
      this.#session.destroy(asError(error))
    } finally {
      this.#deps.onEnd()
    }
  }

  async #run<T>(operation: () => Promise<T>): Promise<T> {
    invariant(this.#state === 'open', `an operation was started in a transaction that is ${this.#state}`)
    invariant(!this.#busy, 'two operations were started at once in one transaction')
    this.#busy = true
    try {
      return await operation()
    } catch (error) {
      if (this.#state === 'open') this.#state = 'failed'
      throw error
    } finally {
      this.#busy = false
    }
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
