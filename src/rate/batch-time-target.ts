import {
  type BatchLimits,
  FIRST_BATCH_RECORDS,
  LARGEST_CUT,
  type ProcessedBatch,
  type RateController,
  recordsForRows,
} from './rate.ts'

export interface BatchTimeTargetOptions {
  /** Processing time that a batch may have, in milliseconds; above 0. */
  readonly targetBatchMs: number
  readonly maxRecordsPerBatch: number
  /** Rows that batches of more records than this may write. Default: as many as there are. */
  readonly maxRowsPerBatch?: number
}

/** Sizes are compared where one batch has at least so many times the records of the other. */
const DISTINCT_SIZES = 1.5
/** How much of what is believed about fixed costs is left after a batch above the target that has taught nothing new. */
const BELIEF_KEPT = 0.97
/** Batches that take longer than so many times the target do not grow, whatever that would gain. */
const MAX_STRETCH = 10
/** At most so many times as large at once. */
const LARGEST_STEP = 8

/**
 * Batches as large as their processing time allows: the first one is small, and the limit is doubled while twice the
 * records would still be processed within the target, and halved, or cut further, when a batch has taken longer. It grows
 * faster, up to eight times at once, as far as the target would be kept even if all of a batch's time belonged to its
 * records: a job that has far to go to its largest batches does not pay for a dozen commits on the way.
 *
 * Very large batches pay where many records make few rows. Where they do not, their rows would only take memory: batches
 * of more records than `maxRowsPerBatch` are those that write no more rows than that.
 *
 * Not all of a batch's time belongs to its records: round trips, COMMIT, rows that every batch updates. Where that alone
 * comes near the target, smaller batches would not be faster, only more; so as much time again is allowed for the
 * records. How much it is comes from comparing a batch with the one before it, where their sizes differ; until two do, a
 * batch within the target is believed to be all fixed costs, and one above it to have none, so that the next one differs.
 */
export class BatchTimeTarget implements RateController {
  readonly #options: BatchTimeTargetOptions
  #limit: number
  /** The part of a batch's processing time that does not depend on its records, from 0 to 1; null while unknown. */
  #fixedShare: number | null = null
  #previous: ProcessedBatch | null = null

  constructor(options: BatchTimeTargetOptions) {
    this.#options = options
    this.#limit = Math.min(FIRST_BATCH_RECORDS, options.maxRecordsPerBatch)
  }

  next(): BatchLimits {
    return { maxRecords: this.#limit }
  }

  observe(batch: ProcessedBatch): void {
    const { records, limitRecords, processingMs } = batch
    if (!(records > 0 && processingMs > 0 && Number.isFinite(processingMs))) return
    this.#compare(batch)
    const { targetBatchMs, maxRecordsPerBatch } = this.#options
    const fits = this.#fittingRecords(batch)
    if (processingMs > targetBatchMs && fits < Math.min(this.#limit, limitRecords)) {
      const cut = Math.min(limitRecords / 2, Math.max(fits, limitRecords * LARGEST_CUT))
      this.#limit = Math.max(1, Math.floor(Math.min(this.#limit, cut)))
      return
    }
    // What is only believed is tried once: not again by the batch that was planned before the news of it.
    const mayGrow = isBounded(batch) && (this.#fixedShare !== null || limitRecords >= this.#limit)
    const ceiling = Math.min(maxRecordsPerBatch, this.#roomFor(batch))
    if (this.#limit > ceiling) {
      this.#limit = ceiling
      return
    }
    const doubled = Math.min(this.#limit * 2, ceiling)
    if (!(mayGrow && fits >= doubled && processingMs <= targetBatchMs * MAX_STRETCH)) return
    const certain = Math.floor((records * targetBatchMs) / processingMs)
    this.#limit = Math.max(doubled, Math.min(this.#limit * LARGEST_STEP, certain, fits, ceiling))
  }

  /** How many records may be in a batch for the sake of its rows. */
  #roomFor(batch: ProcessedBatch): number {
    const { maxRowsPerBatch } = this.#options
    return maxRowsPerBatch === undefined ? Number.POSITIVE_INFINITY : recordsForRows(batch, maxRowsPerBatch)
  }

  timedOut(limitRecords: number): void {
    this.#fixedShare = 0
    this.#previous = null
    this.#limit = Math.max(1, Math.floor(Math.min(this.#limit, limitRecords * LARGEST_CUT)))
  }

  /** How many records would be processed within the target, or within twice the fixed costs where these are more. */
  #fittingRecords({ records, processingMs }: ProcessedBatch): number {
    const { targetBatchMs } = this.#options
    const fixedMs = processingMs * (this.#fixedShare ?? (processingMs <= targetBatchMs ? 1 : 0))
    const recordMs = (processingMs - fixedMs) / records
    if (recordMs === 0) return Number.POSITIVE_INFINITY
    return (Math.max(targetBatchMs, 2 * fixedMs) - fixedMs) / recordMs
  }

  /** Learns from two batches in a row of distinct sizes which part of their time is fixed. */
  #compare(batch: ProcessedBatch): void {
    const previous = this.#previous
    const ratio = previous ? batch.records / previous.records : 1
    this.#previous = batch
    if (previous && (ratio >= DISTINCT_SIZES || ratio <= 1 / DISTINCT_SIZES)) {
      const recordMs = (batch.processingMs - previous.processingMs) / (batch.records - previous.records)
      const fixedShare = 1 - (recordMs * batch.records) / batch.processingMs
      this.#fixedShare = Math.min(1, Math.max(0, fixedShare))
    } else if (this.#fixedShare !== null && batch.processingMs > this.#options.targetBatchMs) {
      this.#fixedShare *= BELIEF_KEPT
    }
  }
}

/** Whether there were more records to be had, more or less: a batch that its limit has not cut short needs no larger one. */
function isBounded({ records, limitRecords }: ProcessedBatch): boolean {
  return records * 2 >= limitRecords
}
