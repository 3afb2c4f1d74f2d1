// What authors of a strategy import, as 'oncesink/strategy'. Named exports, nothing else.
export { collectPartials } from '../aggregation/collect.ts'
export type { PartialResult } from '../aggregation/partial-result.ts'
export type { Connection, Transaction } from '../database/dialect.ts'
export {
  type BatchToCommit,
  type ClaimedRange,
  commitBatch,
  type RangeContents,
  type TransactionReport,
  type WrittenRows,
} from '../database/protocol/commit-batch.ts'
export type { DeadLetterLimit } from '../database/protocol/dead-letters.ts'
export { JobSession } from '../database/protocol/session.ts'
export type { PartitionResult } from '../executor/executor.ts'
export type { Claim } from '../model/claim.ts'
export type { FencedReason, RangeOutcome } from '../model/outcome.ts'
export type { PipelinePlan } from '../pipeline/plan.ts'
export { deliver } from '../sink/deliver.ts'
export { batchToCommit, commitTogether, deliverBatch, mergeReports } from './commit-together.ts'
export type {
  AtomicUnit,
  ChunkLimits,
  CommitPhases,
  CommitReport,
  ComputedBatch,
  ComputedStrategy,
  DeferredCommits,
  FailedResult,
  LateFailure,
  Strategy,
  StrategyNeeds,
  StrategyParts,
  StrategyPlan,
  StreamedBatch,
  StreamStrategy,
} from './strategy.ts'
