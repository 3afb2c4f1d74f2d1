import type {
  AppendWrite,
  BackendId,
  BatchPlace,
  BlockingSession,
  ClaimWrite,
  CommitResult,
  Connection,
  DeadLetterContent,
  DeadLetterRow,
  DeadLetterWrite,
  Dialect,
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
import { OncesinkError, type RecordCoordinates } from '../../src/errors.ts'
import { type TopicPartition, topicPartitionKey } from '../../src/model/topic-partition.ts'
import type { Host, World } from './world.ts'

export interface SimulatedLetter extends DeadLetterWrite {
  readonly createdAt: Date
}

interface State {
  job: JobRow | null
  topics: Map<string, TopicRow>
  positions: Map<string, PositionRow>
  ledger: LedgerRow[]
  deadLetters: SimulatedLetter[]
  rows: Map<string, bigint[]>
}

export interface DatabaseFaults {
  /** Probability per operation that the connection is lost. */
  readonly connectionLoss: number
  /** Probability that COMMIT arrives but its answer does not. */
  readonly lostAnswer: number
  /** Probability that COMMIT does not arrive. */
  readonly lostCommit: number
  /** Probability per statement of a passing abort (deadlock). */
  readonly deadlock: number
}

export interface CommittedClaim {
  readonly host: Host
  /** Partitions that the same host held already, by a claim over the same connection. */
  readonly twice: readonly string[]
}

/** A READ COMMITTED database with row locks on the job row and on positions, and faults at every operation. */
export class SimulatedDatabase {
  readonly world: World
  readonly faults: DatabaseFaults
  readonly #locks = new Map<string, SimulatedTransaction>()
  /** Claims in the order in which they committed. */
  readonly claims: CommittedClaim[] = []
  /** Called when a claim commits. */
  onClaim: (host: Host, keys: readonly string[], twice: readonly string[]) => void = () => {}
  /** Negative controls only: what a claim reads under the lock of the job is what it had read before. */
  looksOnce = false
  readonly connections = new Set<SimulatedConnection>()
  /** Negative controls only: what the compare-and-set sees instead of the row. */
  tamper: ((row: PositionRow, advance: RangeAdvance) => PositionRow) | null = null
  /** Negative controls only: dead letters are written at once instead of by COMMIT, or not at all. */
  deadLetters: 'inside' | 'outside' | 'forgotten' = 'inside'
  /** A key that the sink table refuses. */
  rejectedKey: string | null = null
  state: State = {
    job: null,
    topics: new Map(),
    positions: new Map(),
    ledger: [],
    deadLetters: [],
    rows: new Map(),
  }
  #backends = 0

  constructor(world: World, faults: DatabaseFaults) {
    this.world = world
    this.faults = faults
  }

  /** The dialect as one process sees it. */
  dialectFor(host: Host): Dialect {
    return {
      engine: 'postgres',
      connect: async () => {
        await host.wait(1 + this.world.dice.fraction() * 3)
        const connection = new SimulatedConnection(this, host, ++this.#backends)
        this.connections.add(connection)
        return connection
      },
      migrationScript: async () => '',
      createTableText: () => '',
    }
  }

  snapshot(): State {
    return structuredClone(this.state)
  }

  /** An asynchronous failover, or a restore: everything since the snapshot is gone, every connection is cut. */
  rewindTo(state: State): void {
    this.world.note('the database loses its latest transactions')
    for (const connection of [...this.connections]) connection.endedByServer()
    this.state = structuredClone(state)
  }

  holder(key: string): SimulatedTransaction | undefined {
    return this.#locks.get(key)
  }

  tryLock(key: string, trx: SimulatedTransaction): boolean {
    const holder = this.#locks.get(key)
    if (holder && holder !== trx) return false
    this.#locks.set(key, trx)
    return true
  }

  release(trx: SimulatedTransaction): void {
    for (const [key, holder] of this.#locks) if (holder === trx) this.#locks.delete(key)
  }
}

function letterKey({ letter, incarnation }: DeadLetterWrite): string {
  return `${topicPartitionKey(letter)}@${letter.offset}, incarnation ${incarnation}`
}

class SimulatedConnection implements Connection {
  readonly backend: BackendId
  readonly serverVersion = 'simulated'
  broken = false
  readonly database: SimulatedDatabase
  readonly host: Host
  transaction: SimulatedTransaction | null = null
  /** Claims made over it. */
  readonly claimIds = new Set<string>()
  waitsFor: string | null = null

  constructor(database: SimulatedDatabase, host: Host, id: number) {
    this.database = database
    this.host = host
    this.backend = { id, startedAt: String(database.world.now) }
    // The server notices a dead client sooner or later; until then its transaction holds its locks.
    host.onCrash(() =>
      database.world.schedule(database.world.dice.fraction() * 20_000, () => this.endedByServer()),
    )
  }

  endedByServer(): void {
    this.broken = true
    this.transaction?.endedByServer()
    this.database.connections.delete(this)
  }

  async begin(kind: TransactionKind): Promise<Transaction> {
    await this.operate('begin')
    this.transaction = new SimulatedTransaction(this, kind)
    return this.transaction
  }

  /** One round trip, with whatever goes wrong on the way. */
  async operate(name: string): Promise<void> {
    const { dice } = this.database.world
    await this.host.wait(dice.fraction() * 4)
    if (!this.broken && dice.chance(this.database.faults.connectionLoss)) {
      this.database.world.note(`${this.host.name} loses its connection at ${name}`)
      this.endedByServer()
    }
    if (this.broken) throw new OncesinkError('DATABASE_UNAVAILABLE', `connection lost at ${name}`)
  }

  async endBlockers(waiting: BackendId): Promise<BlockingSession[]> {
    await this.operate('endBlockers')
    const waiter = [...this.database.connections].find((c) => c.backend.id === waiting.id)
    const blocker = waiter?.waitsFor ? this.database.holder(waiter.waitsFor)?.connection : undefined
    if (!blocker || blocker === waiter) return []
    this.database.world.note(`${this.host.name} ends a session of ${blocker.host.name}`)
    blocker.endedByServer()
    return [{ backend: blocker.backend, application: blocker.host.name, ended: true }]
  }

  migrate = async () => []
  createTable = async () => {}
  pendingMigrations = async () => []
  schemaVersion = async () => 1
  installedAt = async () => 'simulated'
  missingGrants = async () => []
  clockMs = async () => this.database.world.now
  sessionsOf = async () => []
  connectionLimits = async () => []
  describeTable = async () => null
  isWritable = async () => true
  pruneLedger = async () => 0
  close = async () => this.destroy()

  destroy(): void {
    this.endedByServer()
  }
}

class SimulatedTransaction implements Transaction {
  readonly connection: SimulatedConnection
  readonly kind: TransactionKind
  readonly #database: SimulatedDatabase
  #ended = false
  /** Applied to the committed state, in order, by COMMIT. Guarded by the locks that this transaction holds. */
  readonly #changes: ((state: State) => void)[] = []
  readonly #written = new Map<string, PositionRow>()
  #looked: PositionRow[] | null = null

  constructor(connection: SimulatedConnection, kind: TransactionKind) {
    this.connection = connection
    this.kind = kind
    this.#database = connection.database
  }

  endedByServer(): void {
    this.#ended = true
    this.#database.release(this)
  }

  async #statement(name: string): Promise<void> {
    await this.connection.operate(name)
    if (this.#ended) throw new OncesinkError('DATABASE_UNAVAILABLE', `transaction ended before ${name}`)
    if (this.#database.world.dice.chance(this.#database.faults.deadlock)) {
      throw new OncesinkError('TRANSACTION_ABORTED', `deadlock at ${name}`)
    }
  }

  async #lock(key: string): Promise<void> {
    const deadline = this.#database.world.now + 10_000
    while (!this.#database.tryLock(key, this)) {
      this.connection.waitsFor = key
      await this.connection.host.wait(5)
      if (this.#ended || this.connection.broken)
        throw new OncesinkError('DATABASE_UNAVAILABLE', 'ended while waiting')
      if (this.#database.world.now > deadline) throw new OncesinkError('TRANSACTION_ABORTED', 'lock timeout')
    }
    this.connection.waitsFor = null
  }

  #position(key: string): PositionRow | undefined {
    return this.#written.get(key) ?? this.#database.state.positions.get(key)
  }

  #writePosition(row: PositionRow): void {
    const key = topicPartitionKey(row)
    this.#written.set(key, row)
    this.#changes.push((state) => state.positions.set(key, row))
  }

  async lockJob(): Promise<JobRow | null> {
    await this.#statement('lockJob')
    await this.#lock('job')
    return this.#database.state.job
  }

  async insertJob(row: JobRow): Promise<void> {
    await this.#statement('insertJob')
    this.#changes.push((state) => {
      state.job = row
    })
  }

  updateJob = (row: JobRow) => this.insertJob(row)

  async findJobsWritingTo() {
    await this.#statement('findJobsWritingTo')
    return []
  }

  async lockTopics(): Promise<TopicRow[]> {
    await this.#statement('lockTopics')
    await this.#lock('topics')
    return [...this.#database.state.topics.values()]
  }

  async upsertTopic(_job: string, row: TopicRow): Promise<void> {
    await this.#statement('upsertTopic')
    this.#changes.push((state) => state.topics.set(row.topic, row))
  }

  async insertStarts(_job: string, starts: readonly StartRow[]): Promise<void> {
    await this.#statement('insertStarts')
    for (const start of starts) {
      this.#writePosition({
        ...start,
        epoch: 0n,
        claimId: null,
        owner: null,
        seq: 0n,
        incarnation: 0,
        leaderEpoch: -1,
        topicId: 'topic-id',
        updatedAt: new Date(0),
        startReason: start.reason,
      })
    }
  }

  async replaceStart(): Promise<void> {
    throw new Error('the simulated log never loses records')
  }

  async lockPositions(_job: string, partitions: readonly TopicPartition[]): Promise<PositionRow[]> {
    await this.#statement('lockPositions')
    for (const tp of partitions) await this.#lock(topicPartitionKey(tp))
    return partitions.flatMap((tp) => this.#position(topicPartitionKey(tp)) ?? [])
  }

  async claimPositions(_job: string, claims: readonly ClaimWrite[]): Promise<PositionRow[]> {
    await this.#statement('claimPositions')
    const keys = claims.map(topicPartitionKey)
    const twice = keys.filter((key) => this.connection.claimIds.has(this.#position(key)?.claimId ?? ''))
    const { host, claimIds } = this.connection
    if (claims.length > 0)
      this.#changes.push(() => {
        this.#database.claims.push({ host, twice })
        this.#database.onClaim(host, keys, twice)
        for (const { claimId } of claims) claimIds.add(claimId)
      })
    return claims.map(({ claimId, owner, ...tp }) => {
      const row = this.#position(topicPartitionKey(tp))
      if (!row) throw new Error(`no position of ${topicPartitionKey(tp)}`)
      const claimed = { ...row, epoch: row.epoch + 1n, claimId, owner }
      this.#writePosition(claimed)
      return claimed
    })
  }

  async movePositions(_job: string, moves: readonly PositionMove[]): Promise<void> {
    await this.#statement('movePositions')
    for (const { kind, from, until, claimId, actor, reason, cause, topicId, topic, partition } of moves) {
      const row = this.#position(topicPartitionKey({ topic, partition }))
      if (row?.nextOffset !== from) throw new Error(`the position of ${topic}/${partition} is not ${from}`)
      const [epoch, incarnation] = [row.epoch + 1n, row.incarnation + 1]
      this.#writePosition({
        ...row,
        nextOffset: until,
        epoch,
        incarnation,
        claimId,
        owner: actor,
        leaderEpoch: -1,
      })
      const range = { topic, partition, fromOffset: from, untilOffset: until }
      const act = {
        kind,
        incarnation,
        epoch,
        claimId,
        batchId: null,
        records: 0,
        deadLetters: 0,
        reason,
        actor,
        cause,
        topicId,
      }
      const committedAt = new Date(this.#database.world.now)
      this.#changes.push((state) => state.ledger.push({ ...range, ...act, committedAt }))
    }
  }

  async replaceTopicId(_job: string, topic: string, topicId: string): Promise<void> {
    await this.#statement('replaceTopicId')
    this.#changes.push((state) => {
      const row = state.topics.get(topic)
      if (row) state.topics.set(topic, { ...row, topicId })
    })
  }

  async readPositions(): Promise<PositionRow[]> {
    await this.#statement('readPositions')
    const rows = [...new Map([...this.#database.state.positions, ...this.#written]).values()]
    if (!this.#database.looksOnce) return rows
    this.#looked ??= rows
    return this.#looked
  }

  async advanceRanges(_job: string, advances: readonly RangeAdvance[]): Promise<number> {
    await this.#statement('advanceRanges')
    let matched = 0
    for (const advance of advances) {
      const { range, epoch, claimId, leaderEpoch } = advance
      const key = topicPartitionKey(range)
      await this.#lock(key)
      const stored = this.#position(key)
      const row = stored && this.#database.tamper ? this.#database.tamper(stored, advance) : stored
      if (row?.nextOffset !== range.from || row.epoch !== epoch || row.claimId !== claimId) continue
      this.#writePosition({ ...row, nextOffset: range.until, seq: row.seq + 1n, leaderEpoch })
      matched += 1
    }
    return matched
  }

  async noteLeaderEpochs(_job: string, epochs: readonly LeaderEpochNote[]): Promise<void> {
    await this.#statement('noteLeaderEpochs')
    for (const { leaderEpoch, ...tp } of epochs) {
      const row = this.#position(topicPartitionKey(tp))
      if (row) this.#writePosition({ ...row, leaderEpoch })
    }
  }

  async mergeRows(write: MergeWrite): Promise<number> {
    await this.#statement('mergeRows')
    const rejected = this.#database.rejectedKey
    if (rejected !== null && write.rows.some(([key]) => key === rejected))
      throw new OncesinkError('ROWS_REJECTED', `the key ${rejected} violates a constraint`)
    this.#changes.push((state) => {
      for (const [key, ...values] of write.rows) {
        const row = state.rows.get(String(key)) ?? values.map(() => 0n)
        state.rows.set(
          String(key),
          row.map((value, i) => value + BigInt(Number(values[i]))),
        )
      }
    })
    return write.rows.length
  }

  async upsertRows(write: UpsertWrite): Promise<number> {
    await this.#statement('upsertRows')
    this.#changes.push((state) => {
      for (const [key] of write.deletes) state.rows.delete(String(key))
      for (const [key, ...values] of write.rows) {
        state.rows.set(
          String(key),
          values.map((value) => BigInt(Number(value))),
        )
      }
    })
    return write.rows.length + write.deletes.length
  }

  async appendRows(_write: AppendWrite): Promise<number> {
    throw new Error('not simulated')
  }

  async runUserCode(): Promise<void> {
    throw new Error('not simulated')
  }

  async writeDeadLetters(_job: string, letters: readonly DeadLetterWrite[]): Promise<void> {
    await this.#statement('writeDeadLetters')
    const taken = new Set(this.#database.state.deadLetters.map(letterKey))
    const twice = letters.find((write) => taken.has(letterKey(write)))
    if (twice) throw new OncesinkError('DATABASE_REFUSED', `${letterKey(twice)} is a dead letter already`)
    const createdAt = new Date(this.#database.world.now)
    const write = (state: State) =>
      void state.deadLetters.push(...letters.map((letter) => ({ ...letter, createdAt })))
    if (this.#database.deadLetters === 'outside') write(this.#database.state)
    if (this.#database.deadLetters === 'inside') this.#changes.push(write)
  }

  async countDeadLetters(_job: string, withinMs: number): Promise<number> {
    await this.#statement('countDeadLetters')
    const since = this.#database.world.now - withinMs
    return this.#database.state.deadLetters.filter(({ createdAt }) => createdAt.getTime() > since).length
  }

  async listDeadLetters(): Promise<DeadLetterRow[]> {
    throw new Error('not simulated')
  }

  async readDeadLetters(_job: string, _record: RecordCoordinates): Promise<DeadLetterContent[]> {
    throw new Error('not simulated')
  }

  async writeLedger(_job: string, rows: readonly LedgerWrite[]): Promise<void> {
    await this.#statement('writeLedger')
    this.#changes.push((state) => {
      for (const { range, ...row } of rows) {
        state.ledger.push({
          ...row,
          topic: range.topic,
          partition: range.partition,
          fromOffset: range.from,
          untilOffset: range.until,
          reason: null,
          actor: null,
          cause: null,
          topicId: null,
          committedAt: new Date(this.#database.world.now),
        })
      }
    })
  }

  async readJob(): Promise<JobRow | null> {
    return this.#database.state.job
  }

  async readLedger(): Promise<LedgerRow[]> {
    return this.#database.state.ledger
  }

  async findBatch(_job: string, place: BatchPlace): Promise<string | null> {
    const found = this.#database.state.ledger.find(
      ({ kind, partition, incarnation, epoch, fromOffset }) =>
        kind === 'batch' &&
        partition === place.partition &&
        incarnation === place.incarnation &&
        epoch === place.epoch &&
        fromOffset === place.from,
    )
    return found?.batchId ?? null
  }

  async *readTable(): AsyncIterable<(string | null)[]> {}

  async commit(): Promise<CommitResult> {
    const { world, faults } = this.#database
    const { host } = this.connection
    await host.wait(world.dice.fraction() * 4)
    const unknown = (): CommitResult => {
      this.connection.endedByServer()
      return { kind: 'unknown', error: new OncesinkError('COMMIT_OUTCOME_UNKNOWN', 'no answer to COMMIT') }
    }
    if (this.#ended || this.connection.broken || world.dice.chance(faults.lostCommit)) {
      world.note(`${host.name}: COMMIT does not arrive`)
      this.endedByServer()
      await host.wait(world.dice.fraction() * 4)
      return unknown()
    }
    for (const change of this.#changes) change(this.#database.state)
    this.endedByServer()
    await host.wait(world.dice.fraction() * 4)
    if (world.dice.chance(faults.lostAnswer)) {
      world.note(`${host.name}: the answer to COMMIT is lost`)
      return unknown()
    }
    return { kind: 'committed' }
  }

  async rollback(): Promise<void> {
    this.endedByServer()
    await this.connection.host.wait(0)
  }
}
