import type { OffsetRange } from './offset-range.ts'

/** What user code in a transaction is told about the micro-batch it belongs to. */
export interface BatchInfo {
  /** Random UUID, written to the ledger with every range of the batch. */
  readonly batchId: string
  readonly job: string
  /** One half-open range per partition that took part, in partition order. */
  readonly ranges: readonly OffsetRange[]
  /** Records that were visible to the job in all ranges (before its filters), dead letters included. */
  readonly records: number
  /** How many of them were left out because the job's functions or the database could not take them. */
  readonly deadLetters: number
}
