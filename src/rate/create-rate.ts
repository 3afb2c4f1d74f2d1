import type { Job } from '../job/job.ts'
import { BackPressure } from './back-pressure.ts'
import { BatchTimeTarget } from './batch-time-target.ts'
import { CappedPartitions } from './capped-partitions.ts'
import type { RateController } from './rate.ts'

/** The controller that a job's options ask for. */
export function createRate({
  rate,
  trigger,
  limits,
}: Pick<Job, 'rate' | 'trigger' | 'limits'>): RateController {
  const { intervalMs } = trigger
  const { maxRecordsPerBatch, maxRowsPerBatch } = limits
  const { backpressure, initialRatePerPartition, maxRatePerPartition, targetBatchMs } = rate
  const ceilings = { maxRecordsPerBatch, ...(maxRowsPerBatch !== null && { maxRowsPerBatch }) }
  const controller = backpressure
    ? new BackPressure({ intervalMs, initialRatePerPartition, ...ceilings })
    : new BatchTimeTarget({ targetBatchMs, ...ceilings })
  if (maxRatePerPartition === null) return controller
  return new CappedPartitions(controller, Math.floor((maxRatePerPartition * intervalMs) / 1_000))
}
