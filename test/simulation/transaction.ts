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
  TransactionKind,
  UpsertWrite,
} from '../../src/database/dialect.ts'
import { OperationGate } from '../../src/database/operation-gate.ts'
import { OncesinkError } from '../../src/errors.ts'
import { formatRange } from '../../src/model/offset-range.ts'
import { type TopicPartition, topicPartitionKey } from '../../src/model/topic-partition.ts'
import { lost, type SimulatedConnection } from './connection.ts'
import type { SimulatedDatabase } from './database.ts'
import type { DatabaseOperation } from './faults.ts'
import { letterRow, startLedgerRow, startPosition } from './rows.ts'
import {
  type Change,
  copyOf,
  type Effects,
  emptyState,
  isSameLink,
  letterKey,
  noEffects,
  type State,
} from './state.ts'

/**
 * One transaction at the simulated server. What the client may do with it, and in which order, the port's own gate says.
 *
 * States at the server: `open` -> (a statement fails, PostgreSQL) -> `poisoned`; (a deadlock, MySQL) -> `autocommit`;
 * any -> commit, rollback, or the end of the session -> `over`.
 */
export class SimulatedTransaction implements Transaction {
  readonly label: string
  readonly connection: SimulatedConnection
  readonly #database: SimulatedDatabase
  readonly #gate: OperationGate
  readonly #snapshot: State | null
  #atServer: 'open' | 'poisoned' | 'autocommit' | 'over' = 'open'
  /** Applied to the committed state, in order, by COMMIT. Guarded by the locks that this transaction holds. */
  #changes: Change[] = []
  #effects: Effects = noEffects()
  readonly #written = new Map<string, PositionRow>()

  constructor(connection: SimulatedConnection, kind: TransactionKind) {
    this.connection = connection
    this.label = `${connection.host.name}/${connection.backend.id}`
    this.#database = connection.database
    this.#snapshot = kind === 'snapshot' ? copyOf(connection.database.state) : null
    this.#gate = new OperationGate({
      commit: () => connection.commit(this),
      rollback: () => this.#rollback(),
      destroy: () => connection.destroy(),
      onEnd: () => {},
    })
  }

  // --- what happens at the server

  /** A statement has failed. */
  failedAtServer(kind: 'deadlock' | 'lock-timeout' | 'rejected'): void {
    if (this.#atServer === 'over') return
    if (this.#database.engine === 'mysql' && kind !== 'deadlock') return
    this.#atServer = this.#database.engine === 'mysql' ? 'autocommit' : 'poisoned'
    this.#undo()
  }

  /** The session has ended: nothing of it remains. */
  sessionEnded(): void {
    this.#atServer = 'over'
    this.#undo()
  }

  commitAtServer(): CommitResult {
    const [was, changes, effects] = [this.#atServer, this.#changes, this.#effects]
    this.#atServer = 'over'
    if (was === 'poisoned' || was === 'over') {
      this.#undo()
      const error = new OncesinkError('TRANSACTION_ABORTED', 'COMMIT was answered with ROLLBACK')
      return { kind: 'aborted', error }
    }
    if (changes.length > 0) this.#database.commit(this.connection, changes, effects)
    this.#undo()
    return { kind: 'committed' }
  }

  #undo(): void {
    this.#changes = []
    this.#effects = noEffects()
    this.#written.clear()
    this.#database.locks.release(this)
  }

  async #rollback(): Promise<void> {
    const { connection } = this
    if (connection.broken) return
    try {
      await connection.operate('rollback', () => this.sessionEnded())
    } catch {
      connection.destroy()
    }
  }

  #change(change: Change): void {
    if (this.#atServer === 'autocommit') this.#database.commit(this.connection, [change], noEffects())
    else this.#changes.push(change)
  }

  #statement<T>(operation: DatabaseOperation, execute: () => T | Promise<T>): Promise<T> {
    return this.#gate.run(() =>
      this.connection.operate(operation, () => {
        if (this.#atServer === 'over') throw lost(operation)
        if (this.#atServer === 'poisoned')
          throw new OncesinkError('DATABASE_REFUSED', 'current transaction is aborted')
        return execute()
      }),
    )
  }

  /** Whether another transaction had it first. */
  async #lock(key: string): Promise<boolean> {
    const waiting = this.#database.locks.acquire(key, this)
    if (waiting === null) return false
    this.connection.host.note(() => `waits for ${key}`)
    await waiting
    if (this.#atServer === 'over') throw lost('waiting for a lock')
    return true
  }

  #position(key: string): PositionRow | undefined {
    return this.#written.get(key) ?? this.#database.state.positions.get(key)
  }

  #writePosition(row: PositionRow): void {
    const key = topicPartitionKey(row)
    this.#written.set(key, row)
    this.#change((state) => state.positions.set(key, row))
  }

  // --- the job's identity

  lockJob(): Promise<JobRow | null> {
    return this.#statement('lockJob', async () => {
      await this.#lock('job')
      return this.#database.state.job
    })
  }

  insertJob(row: JobRow): Promise<void> {
    return this.#statement('insertJob', () =>
      this.#change((state) => {
        state.job = row
      }),
    )
  }

  updateJob(row: JobRow): Promise<void> {
    return this.insertJob(row)
  }

  findJobsWritingTo(): Promise<{ job: string; table: string }[]> {
    return this.#statement('findJobsWritingTo', () => [])
  }

  // --- topics and starting positions

  lockTopics(): Promise<TopicRow[]> {
    return this.#statement('lockTopics', async () => {
      await this.#lock('topics')
      return [...this.#database.state.topics.values()]
    })
  }

  upsertTopic(_job: string, row: TopicRow): Promise<void> {
    return this.#statement('upsertTopic', () => this.#change((state) => state.topics.set(row.topic, row)))
  }

  insertStarts(_job: string, starts: readonly StartRow[]): Promise<void> {
    return this.#statement('insertStarts', () => {
      for (const start of starts) {
        const topicId = this.#database.state.topics.get(start.topic)?.topicId
        this.#writePosition(startPosition(start, topicId ?? 'topic-id', this.#database.clock))
        const row = startLedgerRow(start, this.#database.clock)
        this.#change((state) => state.ledger.push(row))
      }
    })
  }

  async replaceStart(): Promise<void> {
    throw new Error('the simulated log never loses records')
  }

  // --- positions

  lockPositions(_job: string, partitions: readonly TopicPartition[]): Promise<PositionRow[]> {
    return this.#statement('lockPositions', async () => {
      for (const tp of partitions) await this.#lock(topicPartitionKey(tp))
      return partitions.flatMap((tp) => this.#position(topicPartitionKey(tp)) ?? [])
    })
  }

  claimPositions(_job: string, claims: readonly ClaimWrite[]): Promise<PositionRow[]> {
    return this.#statement('claimPositions', () =>
      claims.map(({ claimId, owner, ...tp }) => {
        const row = this.#position(topicPartitionKey(tp))
        if (!row) throw new Error(`no position of ${topicPartitionKey(tp)}`)
        const claimed = { ...row, epoch: row.epoch + 1n, claimId, owner }
        this.#writePosition(claimed)
        this.#effects.claimed.push(claimed)
        return claimed
      }),
    )
  }

  async movePositions(_job: string, _moves: readonly PositionMove[]): Promise<void> {
    throw new Error('nobody operates the simulated job')
  }

  async replaceTopicId(): Promise<void> {
    throw new Error('nobody operates the simulated job')
  }

  readPositions(): Promise<PositionRow[]> {
    return this.#statement('readPositions', () => {
      const { positions } = this.#snapshot ?? this.#database.state
      return [...new Map([...positions, ...this.#written]).values()]
    })
  }

  // --- the batch

  /**
   * Rows are locked one by one, in the order of the statement. PostgreSQL compares each row as it was when the statement
   * began as well as the row that it has locked; MySQL the latter only, and when it
   * looks up the next row it lets go of one that does not match.
   */
  advanceRanges(_job: string, advances: readonly RangeAdvance[]): Promise<number> {
    return this.#statement('advanceRanges', async () => {
      const before = advances.map(({ range }) => this.#position(topicPartitionKey(range)))
      let matched = 0
      for (const [i, advance] of advances.entries()) {
        const key = topicPartitionKey(advance.range)
        const { engine, locks } = this.#database
        const held = locks.holds(key, this)
        const waited = await this.#lock(key)
        const row = this.#position(key)
        const isVisible = engine === 'mysql' || (before[i] && matches(before[i], advance))
        if (!row || !isVisible || !matches(row, advance)) {
          if (engine === 'mysql' && !held && !waited && i < advances.length - 1) locks.releaseOne(key, this)
          continue
        }
        const { until: nextOffset } = advance.range
        const moved = { ...row, nextOffset, seq: row.seq + 1n, leaderEpoch: advance.leaderEpoch }
        this.#writePosition(moved)
        this.#effects.advanced.push({ from: row, to: moved })
        matched += 1
      }
      return matched
    })
  }

  noteLeaderEpochs(_job: string, epochs: readonly LeaderEpochNote[]): Promise<void> {
    return this.#statement('noteLeaderEpochs', () => {
      for (const { leaderEpoch, ...tp } of epochs) {
        const row = this.#position(topicPartitionKey(tp))
        if (row) this.#writePosition({ ...row, leaderEpoch })
      }
    })
  }

  mergeRows(write: MergeWrite): Promise<number> {
    return this.#statement('mergeRows', async () => {
      for (const [key] of write.rows) await this.#lock(`row ${String(key)}`)
      const { rejectedKey } = this.#database
      if (rejectedKey !== null && write.rows.some(([key]) => key === rejectedKey)) {
        this.failedAtServer('rejected')
        throw new OncesinkError('ROWS_REJECTED', `the key ${rejectedKey} violates a constraint`)
      }
      for (const [key, ...values] of write.rows) {
        const name = String(key)
        const added = values.map((value) => BigInt(Number(value)))
        this.#change((state) => state.rows.set(name, sum(state.rows.get(name), added)))
        this.#effects.merged.set(name, sum(this.#effects.merged.get(name), added))
      }
      return write.rows.length
    })
  }

  async upsertRows(_write: UpsertWrite): Promise<number> {
    throw new Error('not simulated')
  }

  async appendRows(_write: AppendWrite): Promise<number> {
    throw new Error('not simulated')
  }

  async appendText(_write: AppendTextWrite): Promise<number> {
    throw new Error('not simulated')
  }

  async runUserCode(): Promise<void> {
    throw new Error('not simulated')
  }

  writeDeadLetters(_job: string, letters: readonly DeadLetterWrite[]): Promise<void> {
    return this.#statement('writeDeadLetters', () => {
      const taken = new Set(this.#database.state.deadLetters.map(letterKey))
      const twice = letters.find((write) => taken.has(letterKey(write)))
      if (twice) {
        this.failedAtServer('rejected')
        throw new OncesinkError('DATABASE_REFUSED', `${letterKey(twice)} is a dead letter already`)
      }
      const createdAt = this.#database.clock
      this.#effects.deadLetters.push(...letters)
      this.#change((state) => state.deadLetters.push(...letters.map((letter) => ({ ...letter, createdAt }))))
    })
  }

  countDeadLetters(_job: string, withinMs: number): Promise<number> {
    return this.#statement('countDeadLetters', () => {
      const since = this.#database.clock.getTime() - withinMs
      return this.#database.state.deadLetters.filter(({ createdAt }) => createdAt.getTime() > since).length
    })
  }

  writeLedger(_job: string, writes: readonly LedgerWrite[]): Promise<void> {
    return this.#statement('writeLedger', async () => {
      const none = { reason: null, actor: null, cause: null, topicId: null }
      const committedAt = this.#database.clock
      for (const { range, ...write } of writes) {
        const { topic, partition, from: fromOffset, until: untilOffset } = range
        const row: LedgerRow = { ...none, ...write, topic, partition, fromOffset, untilOffset, committedAt }
        // The unique index waits for whoever has inserted the same link, and not committed.
        const link = `ledger ${topic}/${partition} ${row.kind} ${row.incarnation} ${row.epoch} ${fromOffset}`
        await this.#lock(link)
        if (this.#database.state.ledger.some((other) => isSameLink(other, row))) {
          this.#database.locks.releaseOne(link, this)
          this.failedAtServer('rejected')
          throw new OncesinkError(
            'DATABASE_REFUSED',
            `the ledger has ${formatRange(range)} of epoch ${row.epoch} already`,
          )
        }
        this.#effects.ledger.push(row)
        this.#change((state) => state.ledger.push(row))
      }
    })
  }

  // --- reading

  #read<T>(look: (state: State) => T): Promise<T> {
    return this.#gate.run(async () => look(this.#snapshot ?? emptyState()))
  }

  readJob(): Promise<JobRow | null> {
    return this.#read(({ job }) => job)
  }

  readLedger(): Promise<LedgerRow[]> {
    return this.#read(({ ledger }) => ledger)
  }

  findBatch(_job: string, place: BatchPlace): Promise<string | null> {
    return this.#statement('findBatch', () => {
      const found = this.#database.state.ledger.find(
        ({ kind, partition, incarnation, epoch, fromOffset }) =>
          kind === 'batch' &&
          partition === place.partition &&
          incarnation === place.incarnation &&
          epoch === place.epoch &&
          fromOffset === place.from,
      )
      return found?.batchId ?? null
    })
  }

  listDeadLetters(_job: string, { limit, after }: DeadLetterQuery): Promise<DeadLetterRow[]> {
    return this.#read(({ deadLetters }) => {
      const rows = deadLetters.map(letterRow)
      const key = (row: Pick<DeadLetterRow, 'partition' | 'offset'>) =>
        row.partition * 1e9 + Number(row.offset)
      rows.sort((a, b) => key(a) - key(b))
      return rows.filter((row) => !after || key(row) > key(after)).slice(0, limit)
    })
  }

  async readDeadLetters(): Promise<DeadLetterContent[]> {
    throw new Error('not simulated')
  }

  async *readTable(): AsyncIterable<(string | null)[]> {
    const rows = await this.#read((state) => state.rows)
    for (const [key, values] of rows) yield [key, ...values.map(String)]
  }

  commit(): Promise<CommitResult> {
    return this.#gate.commit()
  }

  rollback(): Promise<void> {
    return this.#gate.rollback()
  }
}

function matches(row: PositionRow, { range, epoch, claimId }: RangeAdvance): boolean {
  return row.nextOffset === range.from && row.epoch === epoch && row.claimId === claimId
}

function sum(a: readonly bigint[] | undefined, b: readonly bigint[]): bigint[] {
  return b.map((value, i) => value + (a?.[i] ?? 0n))
}
