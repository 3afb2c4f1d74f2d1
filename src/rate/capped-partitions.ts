import type { BatchLimits, ProcessedBatch, RateController } from './rate.ts'

/** What another controller says, and at most so many records of each partition. */
export class CappedPartitions implements RateController {
  readonly #inner: RateController
  readonly #maxRecordsPerPartition: number

  constructor(inner: RateController, maxRecordsPerPartition: number) {
    this.#inner = inner
    this.#maxRecordsPerPartition = maxRecordsPerPartition
  }

  next(partitions: number): BatchLimits {
    const { maxRecords } = this.#inner.next(partitions)
    const most = this.#maxRecordsPerPartition * Math.max(1, partitions)
    return {
      maxRecords: Math.min(maxRecords, most),
      maxRecordsPerPartition: this.#maxRecordsPerPartition,
    }
  }

  observe(batch: ProcessedBatch): void {
    this.#inner.observe(batch)
  }

  timedOut(limitRecords: number): void {
    this.#inner.timedOut(limitRecords)
  }
}
