import type { ExecutorPlan } from '../executor/executor.ts'
import type { PoisonPolicy } from '../model/dead-letter.ts'
import type { PipelinePlan, RootPlan } from '../pipeline/plan.ts'
import type { StrategyPlan } from '../strategy/strategy.ts'

/** Configuration of a database, made by `postgres(...)` or `mysql(...)`; opaque to everything but the code that wires it. */
export interface DatabasePlan {
  /** `mysql` stands for MariaDB too: which of them it is the server says, see Connection.serverVersion. */
  readonly engine: 'postgres' | 'mysql'
}

/** A job with every option resolved, validated and frozen. Made by `defineJob`. */
export interface Job {
  readonly name: string
  readonly database: DatabasePlan
  readonly root: RootPlan
  /** At least one; all of one root. */
  readonly pipelines: readonly PipelinePlan[]
  readonly trigger: { readonly intervalMs: number }
  readonly limits: JobLimits
  readonly rate: RatePlan
  /** What happens to a record that cannot be processed. */
  readonly poison: PoisonPolicy
  /** Where its functions run. */
  readonly executor: ExecutorPlan
  /** How results and positions get into one commit. */
  readonly strategy: StrategyPlan
  /** Free text written to `oncesink_jobs.code_version`. */
  readonly codeVersion: string
  /** Whether a start creates tables that are missing, or only says so. */
  readonly migrate: 'auto' | 'check'
  readonly ledger: LedgerPlan
}

/** What the ledger says of each batch, and for how long. */
export interface LedgerPlan {
  readonly retentionMs: number
  /** Whether batches come with the digest of their records. */
  readonly digest: boolean
}

/** What decides how many records a batch has, up to `limits.maxRecordsPerBatch`. */
export interface RatePlan {
  /** Whether batches are as large as the rate estimator expects to be processed within an interval. */
  readonly backpressure: boolean
  /** Records per second of each partition until the estimator has seen a batch; null: the first batch is small. */
  readonly initialRatePerPartition: number | null
  /** Most records per second of each partition; null: no limit. */
  readonly maxRatePerPartition: number | null
  /** Without back-pressure: the processing time that batches may have, in milliseconds. */
  readonly targetBatchMs: number
}

export interface JobLimits {
  /** Records of one micro-batch, over all partitions. */
  readonly maxRecordsPerBatch: number
  /** Rows that batches of more records than this may write; null where the job says how many records a batch may have. */
  readonly maxRowsPerBatch: number | null
  /** Bytes of the records of one micro-batch, as fetched, over all partitions; a record that has more comes alone. */
  readonly maxBytesPerBatch: number
  /** Bytes fetched ahead and not yet computed, over all partitions. */
  readonly maxBufferedBytes: number
  /** How long a stop may take before the process gives up waiting, in milliseconds. */
  readonly shutdownTimeoutMs: number
  /** How long the first connection to broker and database is tried, in milliseconds. */
  readonly startupTimeoutMs: number
}
