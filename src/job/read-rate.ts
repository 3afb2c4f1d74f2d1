import type { RatePlan } from './job.ts'
import type { JobOptionReader } from './job-option-reader.ts'

const MAX_RATE = 100_000_000
const DAY_MS = 86_400_000
/** Long enough that a batch's fixed costs are a small part of it, short enough that locks and memory are held for little. */
const TARGET_BATCH_MS = 1_000

/** Reads `rate`, and complains about options of it that do not go together. */
export function readRate(read: JobOptionReader, intervalMs: number): RatePlan {
  const plan: RatePlan = {
    backpressure: read.boolean('rate', 'backpressure', false),
    initialRatePerPartition: read.optionalInteger('rate', 'initialRatePerPartition', 1, MAX_RATE),
    maxRatePerPartition: read.optionalInteger('rate', 'maxRatePerPartition', 1, MAX_RATE),
    targetBatchMs: read.integer('rate', 'targetBatchMs', Math.max(TARGET_BATCH_MS, intervalMs), 1, DAY_MS),
  }
  for (const problem of contradictions(plan, intervalMs, read.isGiven('rate', 'targetBatchMs')))
    read.problem(problem)
  return plan
}

function contradictions(plan: RatePlan, intervalMs: number, targetIsGiven: boolean): string[] {
  const { backpressure, initialRatePerPartition, maxRatePerPartition } = plan
  const problems: string[] = []
  if (backpressure && intervalMs === 0) {
    problems.push(
      'rate.backpressure adapts batches to trigger.intervalMs, which is 0: give an interval, or leave backpressure out. Without ' +
        'an interval batches adapt to rate.targetBatchMs anyway: they begin small, grow, and shrink when the database slows down',
    )
  }
  if (backpressure && targetIsGiven) {
    problems.push(
      'rate.targetBatchMs and rate.backpressure exclude each other: with back-pressure a batch is to be processed within ' +
        'trigger.intervalMs. Leave one of them out',
    )
  }
  if (initialRatePerPartition !== null && !backpressure) {
    problems.push(
      'rate.initialRatePerPartition is where rate.backpressure begins, which is not switched on: add backpressure: true, or leave ' +
        'it out (batches begin small by themselves)',
    )
  }
  if (maxRatePerPartition === null) return problems
  if (intervalMs === 0) {
    problems.push(
      'rate.maxRatePerPartition is counted over trigger.intervalMs, which is 0: give an interval, such as 1000, or limit ' +
        'batches by limits.maxRecordsPerBatch',
    )
  } else if (maxRatePerPartition * intervalMs < 1_000) {
    problems.push(
      `rate.maxRatePerPartition of ${maxRatePerPartition} is less than one record in trigger.intervalMs of ${intervalMs}: give ` +
        `at least ${Math.ceil(1_000 / intervalMs)}, or an interval of at least ${Math.ceil(1_000 / maxRatePerPartition)}`,
    )
  }
  if (initialRatePerPartition !== null && initialRatePerPartition > maxRatePerPartition) {
    problems.push(
      `rate.initialRatePerPartition is ${initialRatePerPartition}, but rate.maxRatePerPartition allows ${maxRatePerPartition}`,
    )
  }
  return problems
}
