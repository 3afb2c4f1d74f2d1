/**
 * How many records the next micro-batch may have, from how long the previous ones took. Pure: it counts and
 * remembers, and time comes in with what it observes.
 */
export interface RateController {
  /** @param partitions how many this process owns */
  next(partitions: number): BatchLimits
  /** A batch that was planned with what {@link next} said has committed. */
  observe(batch: ProcessedBatch): void
  /**
   * A batch has taken so long that the database has given it up.
   * @param limitRecords the `maxRecords` that was in force
   */
  timedOut(limitRecords: number): void
}

export interface BatchLimits {
  /** Records over all partitions; at least 1. */
  readonly maxRecords: number
  /** Records of each partition; at least 1. Absent where partitions have no limit of their own. */
  readonly maxRecordsPerPartition?: number
}

export interface ProcessedBatch {
  /** When it had committed, by the monotonic clock. */
  readonly endedAtMs: number
  readonly records: number
  /** Rows handed to the sinks; absent where nobody has counted them. */
  readonly rows?: number
  /** The `maxRecords` that was in force. */
  readonly limitRecords: number
  /** Computing and committing it, without waiting for records or for the batch before. */
  readonly processingMs: number
  /** From when it was due to the end, without the processing and without waiting for records. */
  readonly schedulingDelayMs: number
}

/**
 * How many records a batch may have for the sake of its rows, which very large batches are not to have many of: as many
 * as there may be rows, or more where these make fewer.
 */
export function recordsForRows({ records, rows = 0 }: ProcessedBatch, maxRows: number): number {
  if (rows === 0) return Number.POSITIVE_INFINITY
  return Math.max(maxRows, Math.floor((records * maxRows) / rows))
}

/** A limit is not cut to less than this part of what was in force, however long a batch has taken. */
export const LARGEST_CUT = 1 / 8

/** Records of the first batch, where nothing says more: little enough for any database and any record. */
export const FIRST_BATCH_RECORDS = 1_000
