import type { Knex } from 'knex'
import type { MergeRule } from '../aggregation/aggregate-function.ts'
import type { RecordCoordinates } from '../errors.ts'
import type { DeadLetter } from '../model/dead-letter.ts'
import type { LossCause } from '../model/loss-cause.ts'
import type { OffsetRange } from '../model/offset-range.ts'
import type { RowText } from '../model/row-text.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { ColumnValue } from '../model/values.ts'
import type { ColumnHolds, CureWords } from './column-class.ts'
import type { TableDeclaration } from './table-declaration.ts'

/*
 * The dialect port: the closed set of named operations that an engine (or a simulated database) offers. Claim,
 * commit, strategies and driver are written above it; SQL text lives below it.
 *
 * Every operation that talks to the server rejects with an OncesinkError whose cause is the driver's error:
 *   DATABASE_UNAVAILABLE  connection lost, refused or being shut down (the connection is broken from then on)
 *   TRANSACTION_ABORTED   rolled back for a passing reason: deadlock, lock timeout, serialization failure
 *   STATEMENT_TIMEOUT     rolled back because a statement ran longer than it may
 *   ROWS_REJECTED         SQLSTATE 22, 23 and P0 (RAISE in a trigger) of a statement on a declared sink table, or of a
 *                         COMMIT where its deferred constraints and triggers run: may be the data's fault
 *   DATABASE_REFUSED      everything else, and any such error on oncesink's own tables
 */

export interface Dialect {
  /** `mysql` stands for MariaDB too: which of them it is only a connection knows, see {@link Connection.serverVersion}. */
  readonly engine: 'postgres' | 'mysql'
  /**
   * Opens one connection of its own.
   * @param application how the session is named at the server, so that a claim can find the sessions of its job
   * @throws OncesinkError DATABASE_UNAVAILABLE (nobody answers) or DATABASE_REFUSED (credentials, no such database)
   */
  connect(application: SessionName): Promise<Connection>
  /**
   * Everything that {@link Connection.migrate} would send to an empty database, as a script for the engine's own
   * command line client. Applied twice it changes nothing. Connects nowhere.
   */
  migrationScript(): Promise<string>
  /**
   * The statement that {@link Connection.createTable} would send, without its semicolon.
   * @throws OncesinkError CONFIGURATION_INVALID where the engine cannot hold such a table
   */
  createTableText(table: TableDeclaration): string
}

/** Identifies sessions of one job at the server. */
export interface SessionName {
  readonly job: string
  /** Who opened the session: host, pid and role, for people who look at the server's session list. */
  readonly owner: string
}

export interface Connection {
  readonly backend: BackendId
  /** Product and version: `PostgreSQL 18.4`, `MySQL 9.7.4`, `MariaDB 11.4.5`. */
  readonly serverVersion: string
  /** True once the connection was lost or an operation's outcome is in doubt; it must then be destroyed. */
  readonly broken: boolean

  /**
   * Applies the numbered migrations of `sql/<engine>` that are missing, each in one transaction where the engine has
   * transactions for DDL; returns names.
   */
  migrate(): Promise<string[]>
  /**
   * Names of the migrations that {@link migrate} would apply, in their order. Changes nothing.
   * @throws OncesinkError DATABASE_REFUSED when the tables were made by a newer oncesink
   */
  pendingMigrations(): Promise<string[]>
  /** Number of the newest applied migration, 0 when oncesink's tables do not exist. */
  schemaVersion(): Promise<number>
  /**
   * When the first of oncesink's own tables was made here (UTC, to the microsecond), by which one database's are told
   * from another's; those of a copy are told to be the same. They must exist.
   */
  installedAt(): Promise<string>
  /**
   * Statements that would give this role what it lacks: to `use` those of oncesink's own tables that exist, as a
   * running job does, or to `create` tables in their schema. None when it lacks nothing.
   */
  missingGrants(to: 'use' | 'create'): Promise<string[]>
  /** The server's clock, in milliseconds since 1970. */
  clockMs(): Promise<number>
  /** What bounds how many sessions this role may have open, in no particular order; none where nothing does. */
  connectionLimits(): Promise<ConnectionLimit[]>
  /** Sessions of the job that are open at the server, this one left out. */
  sessionsOf(job: string): Promise<JobSessionAtServer[]>
  /**
   * Creates the table unless there is one of this name, which is left as it is.
   * @throws OncesinkError also CONFIGURATION_INVALID where the engine cannot hold such a table
   */
  createTable(table: TableDeclaration): Promise<void>
  /** Null when the table does not exist (or is not visible to this role). */
  describeTable(table: string): Promise<TableDescription | null>
  /** Whether the server accepts writes (not a replica, not read-only). */
  isWritable(): Promise<boolean>

  begin(kind: TransactionKind): Promise<Transaction>

  /**
   * Ends the sessions of the same job that hold the locks `waiting` waits for. A session is matched by its backend
   * id *and* start time, so that a reused id is never hit. Sessions that are not this job's are left alone and
   * returned with `ended: false`.
   */
  endBlockers(waiting: BackendId, job: string): Promise<BlockingSession[]>

  /** Deletes ledger rows older than `retentionMs`, except the newest of each partition; returns how many. */
  pruneLedger(job: string, retentionMs: number): Promise<number>

  /** Ends the session politely. Never throws. */
  close(): Promise<void>
  /** Cuts the socket at once. Never throws. */
  destroy(): void
}

export interface BackendId {
  readonly id: number
  /** Server's own start time of the session, as text; empty where the server does not tell it of other sessions. */
  readonly startedAt: string
}

export interface ConnectionLimit {
  /** The setting, as whoever changes it looks for it: `max_connections`. */
  readonly setting: string
  /** Most sessions that it leaves to this role, others' included. */
  readonly most: number
  /** Sessions that count towards it now, this one included. */
  readonly open: number
}

export interface JobSessionAtServer {
  readonly backend: BackendId
  /** What {@link SessionName.owner} was, perhaps cut. */
  readonly owner: string
}

export interface BlockingSession {
  readonly backend: BackendId
  readonly application: string
  readonly ended: boolean
}

/**
 * - `claim`: READ COMMITTED, writes oncesink's tables only;
 * - `batch`: READ COMMITTED, bounded idle, lock and statement time;
 * - `snapshot`: REPEATABLE READ, read only: everything read in it is of one moment.
 */
export type TransactionKind = 'claim' | 'batch' | 'snapshot'

/**
 * One open transaction.
 *
 * States: `open` -> (a statement fails) -> `failed` -> rollback() -> `ended`;
 *         `open` -> commit() | rollback() -> `ended`.
 * Only `open` accepts operations. Nothing is ever retried inside a transaction.
 */
export interface Transaction {
  // --- the job's identity (claim)
  /** Reads the job's row and locks it until the end of the transaction. */
  lockJob(job: string): Promise<JobRow | null>
  insertJob(row: JobRow): Promise<void>
  /** Replaces shape, code version, sink tables of an existing job. */
  updateJob(row: JobRow): Promise<void>
  /** Jobs other than `job` that declare one of `tables`. */
  findJobsWritingTo(tables: readonly string[], job: string): Promise<{ job: string; table: string }[]>

  // --- topics and starting positions (claim)
  lockTopics(job: string): Promise<TopicRow[]>
  /** Inserts the topic, or raises `knownPartitions` of the existing row. */
  upsertTopic(job: string, row: TopicRow): Promise<void>
  /** Writes position rows (epoch 0, no claim) and their ledger rows of kind `start`. */
  insertStarts(job: string, starts: readonly StartRow[]): Promise<void>
  /**
   * While nothing was committed for a partition (seq 0) its symbolic start may be resolved again: replaces
   * next_offset and the start row of the ledger.
   */
  replaceStart(job: string, start: StartRow): Promise<void>

  // --- positions
  /** Reads position rows and locks them, in partition order, until the end of the transaction. */
  lockPositions(job: string, partitions: readonly TopicPartition[]): Promise<PositionRow[]>
  /** Raises the epoch by one and writes claim id and owner; rows must have been locked. Returns the new rows. */
  claimPositions(job: string, claims: readonly ClaimWrite[]): Promise<PositionRow[]>
  /**
   * An operator's act: moves positions forwards or backwards, raises their epoch and incarnation by one, writes claim id
   * and owner as a claim does, forgets the leader epoch, and records each act in the ledger. Rows must have been locked.
   */
  movePositions(job: string, moves: readonly PositionMove[]): Promise<void>
  /** The topic was created again, and somebody has accepted it: its positions belong to the new one from now on. */
  replaceTopicId(job: string, topic: string, topicId: string): Promise<void>
  /** All position rows of the job in partition order, without locks. */
  readPositions(job: string): Promise<PositionRow[]>

  // --- the batch
  /**
   * The compare-and-set: in one statement, moves every partition from `range.from` to `range.until` where
   * next_offset, epoch and claim_id are still those given. Returns the number of rows that matched.
   */
  advanceRanges(job: string, advances: readonly RangeAdvance[]): Promise<number>
  /** Replaces the leader epochs of positions that {@link advanceRanges} has moved in this transaction. */
  noteLeaderEpochs(job: string, epochs: readonly LeaderEpochNote[]): Promise<void>
  /** Adds rows to a table by key. Rows are sorted by key and keys are unique. Returns the rows sent. */
  mergeRows(write: MergeWrite): Promise<number>
  /**
   * Makes the rows of these keys what they are here, and deletes those of other keys. A row that is there already becomes
   * what inserting the new one would give: a column that the write does not name gets its default where that is a
   * constant, and NULL where there is none; it keeps its value only where the server makes it (generated, identity, a
   * default that is computed). Returns the rows sent, deletes included, whether or not there was a row to delete.
   */
  upsertRows(write: UpsertWrite): Promise<number>
  /** Inserts rows. Returns the rows sent. */
  appendRows(write: AppendWrite): Promise<number>
  /** {@link appendRows} for rows that are text already: it makes the same rows of the same values, and fails alike. */
  appendText(write: AppendTextWrite): Promise<number>
  /**
   * Runs user code with a knex handle bound to this transaction. The handle is poisoned by the first statement that
   * fails (also when the user's code swallows the error), refuses statements that begin with transaction control
   * or DDL, and is revoked when `work` settles.
   * @throws what `work` threw (wrapped), or the poisoning error
   */
  runUserCode(work: (trx: Knex) => Promise<unknown>): Promise<void>
  /**
   * Writes dead letters with status `open`. One record is a dead letter once per incarnation: a second row of it is
   * refused.
   */
  writeDeadLetters(job: string, letters: readonly DeadLetterWrite[]): Promise<void>
  /** Dead letters of the job, of any status, written in the last `withinMs` milliseconds by the server's clock. */
  countDeadLetters(job: string, withinMs: number): Promise<number>
  writeLedger(job: string, rows: readonly LedgerWrite[]): Promise<void>

  // --- reading (snapshot)
  /** The job's row, without a lock. */
  readJob(job: string): Promise<JobRow | null>
  /** Ledger rows of the job in (topic, partition, incarnation, from_offset, kind) order. */
  readLedger(job: string): Promise<LedgerRow[]>
  /** Id of the batch that the ledger has from this offset on, under this claim's epoch; null when it has none. */
  findBatch(job: string, from: BatchPlace): Promise<string | null>
  /** One page of dead letters in (topic, partition, offset, incarnation) order, without what is in the records. */
  listDeadLetters(job: string, query: DeadLetterQuery): Promise<DeadLetterRow[]>
  /** One record's dead letters, whole, by incarnation; empty when it has none. */
  readDeadLetters(job: string, record: RecordCoordinates): Promise<DeadLetterContent[]>
  /** Every row of the table, each as the text of the named columns (null for NULL), in no particular order. */
  readTable(table: string, columns: readonly string[]): AsyncIterable<(string | null)[]>

  // --- the end
  /**
   * Sends COMMIT and tells what is known of it. Never rejects.
   * A transaction that the server has rolled back although it answered without an error is `aborted`.
   */
  commit(): Promise<CommitResult>
  /** Rolls back; a connection on which that fails is broken. Never throws. */
  rollback(): Promise<void>
}

export type CommitResult =
  | { readonly kind: 'committed' }
  /** Definitely not committed. */
  | { readonly kind: 'aborted'; readonly error: Error }
  /** No answer: the connection is broken and only the positions can tell. */
  | { readonly kind: 'unknown'; readonly error: Error }

export interface JobRow {
  readonly job: string
  /** Canonical JSON of the declared shape. */
  readonly shape: string
  readonly codeVersion: string
  readonly sinkTables: readonly string[]
  readonly clusterId: string
}

export interface TopicRow {
  readonly topic: string
  readonly topicId: string
  readonly knownPartitions: number
}

export interface StartRow extends TopicPartition {
  readonly nextOffset: bigint
  /** What the start was resolved from, kept in the ledger. */
  readonly reason: StartReason
}

export type StartReason = 'earliest' | 'latest' | 'offset' | 'timestamp'

export interface PositionRow extends TopicPartition {
  readonly nextOffset: bigint
  readonly epoch: bigint
  /** Null before the first claim. */
  readonly claimId: string | null
  readonly owner: string | null
  readonly seq: bigint
  readonly incarnation: number
  readonly leaderEpoch: number
  readonly topicId: string
  readonly updatedAt: Date
  /** What the newest start row was resolved from. */
  readonly startReason: StartReason
}

export interface ClaimWrite extends TopicPartition {
  readonly claimId: string
  readonly owner: string
}

export interface PositionMove extends TopicPartition {
  readonly kind: 'accept_loss'
  readonly from: bigint
  readonly until: bigint
  readonly claimId: string
  /** Written as the owner of the position, and as the actor into the ledger. */
  readonly actor: string
  /** Why, in the operator's own words. */
  readonly reason: string
  readonly cause: LossCause
  /** Kafka's id of the topic that `until` belongs to. */
  readonly topicId: string
}

export interface RangeAdvance {
  readonly range: OffsetRange
  readonly epoch: bigint
  readonly claimId: string
  readonly leaderEpoch: number
}

export interface LeaderEpochNote extends TopicPartition {
  readonly leaderEpoch: number
}

export type LedgerKind = 'start' | 'batch' | 'reset' | 'accept_loss' | 'rebuild'

export interface LedgerWrite {
  readonly range: OffsetRange
  readonly kind: LedgerKind
  readonly incarnation: number
  readonly epoch: bigint
  readonly claimId: string
  readonly batchId: string
  /** Records of the range that were visible to the job, dead letters included. */
  readonly records: number
  /** How many of them were left out. */
  readonly deadLetters: number
  /** Of all of these records, see `RangeDigest`: from 0 to 2^64 - 1. Null where none was made. */
  readonly digest: bigint | null
}

/** Where in a partition's chain a batch begins. */
export interface BatchPlace extends TopicPartition {
  readonly incarnation: number
  readonly epoch: bigint
  /** Its first offset. */
  readonly from: bigint
}

export interface LedgerRow extends TopicPartition {
  readonly kind: LedgerKind
  readonly incarnation: number
  readonly epoch: bigint
  readonly claimId: string | null
  readonly fromOffset: bigint
  readonly untilOffset: bigint
  readonly batchId: string | null
  readonly records: number
  readonly deadLetters: number
  /** Of the batch's records, see `RangeDigest`: from 0 to 2^64 - 1. Null where none was made. */
  readonly digest: bigint | null
  /** What a start was resolved from, or why an operator has acted. */
  readonly reason: string | null
  /** Who has acted; null for starts and batches. */
  readonly actor: string | null
  /** Of `accept_loss`: why the log no longer continued the position. */
  readonly cause: LossCause | null
  /** Of `accept_loss`: the topic id that `untilOffset` belongs to. */
  readonly topicId: string | null
  readonly committedAt: Date
}

export type DeadLetterStatus = 'open' | 'replayed' | 'dropped'

export interface DeadLetterWrite {
  readonly letter: DeadLetter
  readonly incarnation: number
  readonly batchId: string
}

export interface DeadLetterQuery {
  readonly topic?: string
  readonly status?: DeadLetterStatus
  /** Rows of the page, at least 1. */
  readonly limit: number
  /** The last row of the page before. */
  readonly after?: Pick<DeadLetterRow, 'topic' | 'partition' | 'offset' | 'incarnation'>
}

export interface DeadLetterRow extends RecordCoordinates {
  readonly incarnation: number
  readonly batchId: string
  /** Milliseconds since 1970. */
  readonly timestampMs: number
  /** True lengths in bytes; null for a null key or value. */
  readonly keyLength: number | null
  readonly valueLength: number | null
  readonly truncated: boolean
  readonly code: string
  readonly stage: string
  readonly message: string
  readonly status: DeadLetterStatus
  readonly createdAt: Date
}

export interface DeadLetterContent extends DeadLetterRow {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[]
  readonly stack: string | null
}

export interface MergeWrite {
  readonly table: string
  readonly keys: readonly string[]
  readonly aggregates: readonly MergeColumn[]
  /** Values in the order of `keys`, then `aggregates`. */
  readonly rows: readonly (readonly ColumnValue[])[]
}

export interface MergeColumn {
  readonly column: string
  readonly rule: MergeRule
  /**
   * With `least` and `greatest`: another aggregate's column that decides in place of this one. The value stays whose
   * `by` is least or greatest; of equal ones the greatest value, text by code points, NULL before everything.
   */
  readonly by?: string
}

export interface UpsertWrite {
  readonly table: string
  readonly keys: readonly string[]
  /** Columns beside the keys, the same for all rows. */
  readonly columns: readonly string[]
  /** Values in the order of `keys`, then `columns`. Sorted by key; keys are unique. */
  readonly rows: readonly (readonly ColumnValue[])[]
  /** Values in the order of `keys`. Sorted, unique, and none of them the key of a row. */
  readonly deletes: readonly (readonly ColumnValue[])[]
}

export interface AppendWrite {
  readonly table: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly ColumnValue[])[]
}

export interface AppendTextWrite {
  readonly table: string
  /** One per column of the text. */
  readonly columns: readonly string[]
  readonly text: RowText
}

export interface TableDescription {
  /** Fully qualified and quoted. */
  readonly qualifiedName: string
  /** `table`, or what makes it unfit: `view`, `foreign table`, `unlogged table`, `temporary table`. */
  readonly kind: string
  readonly columns: readonly ColumnDescription[]
  /** Column names of every unique, non-partial index on plain columns, the primary key first. */
  readonly uniqueKeys: readonly (readonly string[])[]
  /**
   * Unique indexes by which this engine finds the row to merge into, whatever the keys of the write are (ON DUPLICATE
   * KEY UPDATE takes every unique index). Empty where a statement names its key.
   */
  readonly alsoMatching: readonly UniqueIndex[]
  /** Why rows are appended more slowly than they could be, and what would help; absent where nothing is known. */
  readonly slowAppend?: string
  /** Notes for the user: triggers, row-level security, partitions that are unlogged or foreign. */
  readonly warnings: readonly string[]
  /** Privileges that this role lacks, of SELECT, INSERT, UPDATE and DELETE. */
  readonly missingPrivileges: readonly string[]
  /** How this engine writes what its cures name. */
  readonly words: CureWords
}

export interface UniqueIndex {
  readonly name: string
  /** Columns, or the engine's text of what is indexed instead: a prefix, an expression. */
  readonly columns: readonly string[]
}

export interface ColumnDescription extends ColumnHolds {
  readonly name: string
  /** Type as the engine writes it, for example `numeric(14,2)`: for messages. */
  readonly type: string
  readonly nullable: boolean
  readonly hasDefault: boolean
  /** True where only the server may write the column (GENERATED ALWAYS). */
  readonly generated: boolean
}
