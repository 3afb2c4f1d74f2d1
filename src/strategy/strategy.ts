import type { DeadLetterLimit } from '../database/protocol/dead-letters.ts'
import type { JobSession } from '../database/protocol/session.ts'
import type { PartitionResult } from '../executor/executor.ts'
import type { Claim } from '../model/claim.ts'
import type { RangeOutcome } from '../model/outcome.ts'
import type { PipelinePlan } from '../pipeline/plan.ts'

/** What the option `strategy` of a job holds: the name of a strategy, and how it is made for a running job. */
export interface StrategyPlan {
  /** As it is shown in events and messages. It is no part of the job's shape: another run may use another strategy. */
  readonly name: string
  /** Called once, when the job is started. */
  create(parts: StrategyParts): Strategy
}

/** What a strategy works with. */
export interface StrategyParts {
  /** The connection on which the job claims and commits. */
  readonly session: JobSession
  /** What the job does, in the order of {@link PartitionResult.partials}. */
  readonly pipelines: readonly PipelinePlan[]
}

/**
 * How results and offsets get into one commit. One batch at a time; the driver has fetched and computed it.
 * The outcome is told per range: some strategies commit some ranges and not others.
 */
export interface Strategy {
  readonly name: string
  /** Never rejects for a failed batch: what happened is in the outcomes. It rejects only with `crash` errors. */
  commit(batch: ComputedBatch): Promise<CommitReport>
}

export interface ComputedBatch {
  /** Random UUID of the batch. */
  readonly batchId: string
  /** Results in partition order, at least one. */
  readonly results: readonly PartitionResult[]
  /** The claim of each result's partition, in the same order. */
  readonly claims: readonly Claim[]
  /** How many dead letters the job may have lately; null where its policy allows none. */
  readonly deadLetterLimit: DeadLetterLimit | null
}

export interface CommitReport {
  /** One outcome per range, in the order of the batch's results. */
  readonly outcomes: readonly RangeOutcome[]
  /** Rows handed to the sinks. */
  readonly rows: number
  /** Durations in milliseconds. */
  readonly phases: CommitPhases
}

export interface CommitPhases {
  /** BEGIN and compare-and-set. */
  readonly advanceMs: number
  /** The sinks' rows. */
  readonly rowsMs: number
  /** Ledger rows. */
  readonly ledgerMs: number
  /** COMMIT. */
  readonly commitMs: number
}
