import { PidRateEstimator } from './pid-rate-estimator.ts'
import {
  type BatchLimits,
  FIRST_BATCH_RECORDS,
  LARGEST_CUT,
  type ProcessedBatch,
  type RateController,
  recordsForRows,
} from './rate.ts'

export interface BackPressureOptions {
  /** Milliseconds from the beginning of one batch to the next; above 0. */
  readonly intervalMs: number
  /** Records per second of each partition in the first batches; null: {@link FIRST_BATCH_RECORDS} in all. */
  readonly initialRatePerPartition: number | null
  readonly maxRecordsPerBatch: number
  /** Rows that batches of more records than this may write. Default: as many as there are. */
  readonly maxRowsPerBatch?: number
}

/** Least rate of a job under back-pressure, in records per second over all partitions: it never stands still. */
const MIN_RATE = 100

/**
 * Back-pressure: a batch has as many records as the {@link PidRateEstimator} expects to be processed within one
 * interval. Until it has seen a batch, the initial rate holds.
 */
export class BackPressure implements RateController {
  readonly #options: BackPressureOptions
  readonly #estimator: PidRateEstimator
  /** After a batch that never ended: at most so many records, until one ends. */
  #ceiling: number
  /** At most so many records, for the sake of the rows that those of the last batch have made. */
  #room: number

  constructor(options: BackPressureOptions) {
    this.#options = options
    this.#estimator = new PidRateEstimator({ intervalMs: options.intervalMs, minRate: MIN_RATE })
    this.#ceiling = options.maxRecordsPerBatch
    this.#room = options.maxRowsPerBatch ?? Number.POSITIVE_INFINITY
  }

  next(partitions: number): BatchLimits {
    const most = Math.min(this.#ceiling, this.#room)
    return { maxRecords: Math.max(1, Math.floor(Math.min(most, this.#records(partitions)))) }
  }

  #records(partitions: number): number {
    const { intervalMs, initialRatePerPartition } = this.#options
    const { rate } = this.#estimator
    if (rate !== null) return (rate * intervalMs) / 1_000
    if (initialRatePerPartition === null) return FIRST_BATCH_RECORDS
    return (initialRatePerPartition * partitions * intervalMs) / 1_000
  }

  observe(batch: ProcessedBatch): void {
    const { maxRowsPerBatch } = this.#options
    if (maxRowsPerBatch !== undefined && batch.records > 0)
      this.#room = recordsForRows(batch, maxRowsPerBatch)
    if (this.#estimator.observe(batch)) this.#ceiling = this.#options.maxRecordsPerBatch
  }

  timedOut(limitRecords: number): void {
    this.#ceiling = Math.max(1, Math.floor(limitRecords * LARGEST_CUT))
  }
}
