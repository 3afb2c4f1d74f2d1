import type { TopicPartition } from './model/topic-partition.ts'

/**
 * What the driver does about an error:
 * - `retry`: back off, then run again from the positions in SQL;
 * - `recover`: the connection or the claim is in doubt: claim again, seek, then go on;
 * - `stop`: only a person can mend it; the process ends with the error's exit code;
 * - `crash`: an invariant does not hold; the process ends at once and writes nothing more.
 */
export type Disposition = 'retry' | 'recover' | 'stop' | 'crash'

const dispositions = {
  /** The brokers cannot be reached or do not answer. */
  SOURCE_UNAVAILABLE: 'retry',
  /** The database cannot be reached or closed the connection. */
  DATABASE_UNAVAILABLE: 'retry',
  /** The database rolled the transaction back for a passing reason (deadlock, lock timeout, serialization). */
  TRANSACTION_ABORTED: 'retry',
  /** A statement ran longer than it may; the transaction was rolled back. */
  STATEMENT_TIMEOUT: 'retry',
  /** COMMIT was sent and no answer came back. */
  COMMIT_OUTCOME_UNKNOWN: 'recover',
  /** The compare-and-set did not match. */
  FENCED: 'recover',
  /** A bad option, a job file that does not load, a contradiction between options. */
  CONFIGURATION_INVALID: 'stop',
  /** Preflight found that the job cannot run against this broker or database as they are. */
  PREFLIGHT_FAILED: 'stop',
  /** A function of the job threw, or returned something it must not; the record's coordinates are attached. */
  JOB_FUNCTION_FAILED: 'stop',
  /** The database rejected the rows' values (SQLSTATE 22, 23 and P0 on a declared sink table). */
  ROWS_REJECTED: 'stop',
  /** More records were to become dead letters than the job's poison policy allows. */
  DEAD_LETTER_LIMIT: 'stop',
  /** The database refused for a reason that is not the data's (missing table, no privilege, disk full ...). */
  DATABASE_REFUSED: 'stop',
  /** Brokers refused: authentication or authorisation. */
  SOURCE_REFUSED: 'stop',
  /** The position is no longer, or not yet, in the log. */
  OFFSET_OUT_OF_RANGE: 'stop',
  /** The log was truncated below the position. */
  LOG_TRUNCATED: 'stop',
  /** The topic has another id than the one the position belongs to. */
  TOPIC_RECREATED: 'stop',
  /** A subscribed topic does not exist. */
  TOPIC_MISSING: 'stop',
  /** A fetched record batch is damaged (wrong checksum, truncated, not decodable). */
  RECORD_BATCH_CORRUPT: 'stop',
  /** The job's declared shape, cluster or tables contradict what the database knows of it. */
  JOB_IDENTITY_CONFLICT: 'stop',
  /** Another process owns the partitions now. */
  OWNERSHIP_LOST: 'stop',
  /** The batch in flight did not end before the shutdown deadline. */
  SHUTDOWN_DEADLINE: 'stop',
  /** The directory of `fileHandoff` fails: it is full, or cannot be written. */
  HANDOFF_DIRECTORY_UNUSABLE: 'stop',
  /** A file of `fileHandoff` is not what was written. */
  HANDOFF_FILE_DAMAGED: 'stop',
  /** A file of `fileHandoff` is of another job, cluster, shape or version. */
  HANDOFF_FILE_FOREIGN: 'stop',
  /** A file of `fileHandoff` is missing, or one does not follow the position. */
  HANDOFF_FILE_OUT_OF_ORDER: 'stop',
  /** A worker thread has ended: an exception that nobody caught, or process.exit in the job's code. */
  WORKER_LOST: 'stop',
  /** A worker thread needed more heap than it may have. */
  WORKER_OUT_OF_MEMORY: 'stop',
  /** A worker thread gave no sign of life for longer than it may. */
  WORKER_TIMEOUT: 'stop',
  /** Something that the protocol rules out has happened. */
  INVARIANT_VIOLATED: 'crash',
} as const satisfies Record<string, Disposition>

export type ErrorCode = keyof typeof dispositions

/** Every code. */
export const errorCodes = Object.keys(dispositions) as readonly ErrorCode[]

/** Exit codes, the same for every command. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  ownershipLost: 3,
  violation: 4,
  inconclusive: 5,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** Where in the log an error belongs. */
export interface RecordCoordinates extends TopicPartition {
  readonly offset: bigint
}

export interface OncesinkErrorOptions {
  readonly cause?: unknown
  /** The record that the error is about. */
  readonly record?: RecordCoordinates
  /** The partition that the error is about, where no single record is. */
  readonly partition?: TopicPartition
  /** Records that pass one by one fail when they are taken together: a smaller batch may pass. @default false */
  readonly ofBatch?: boolean
}

/**
 * The one error class. The message says what happened, where, and what to do.
 */
export class OncesinkError extends Error {
  override readonly name = 'OncesinkError'
  readonly code: ErrorCode
  readonly disposition: Disposition
  readonly record?: RecordCoordinates
  readonly partition?: TopicPartition
  readonly ofBatch: boolean

  constructor(code: ErrorCode, message: string, options: OncesinkErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.disposition = dispositions[code]
    if (options.record) this.record = options.record
    if (options.partition) this.partition = options.partition
    this.ofBatch = options.ofBatch ?? false
  }

  /** The exit code of a process that ends because of this error. */
  get exitCode(): ExitCode {
    if (this.code === 'CONFIGURATION_INVALID') return ExitCode.usage
    if (this.code === 'OWNERSHIP_LOST') return ExitCode.ownershipLost
    return ExitCode.failure
  }
}

/** Throws `INVARIANT_VIOLATED` unless `condition` holds. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new OncesinkError('INVARIANT_VIOLATED', `invariant violated: ${message}`)
}

/** `error` itself if it is an Error, else an Error that describes it. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
