import { describe, expect, test } from 'vitest'
import type { RatePlan } from '../../../src/job/job.ts'
import { createRate } from '../../../src/rate/create-rate.ts'
import { run } from './plant.ts'

const none: RatePlan = {
  backpressure: false,
  initialRatePerPartition: null,
  maxRatePerPartition: null,
  targetBatchMs: 1_000,
}
const controllerOf = (
  rate: Partial<RatePlan>,
  intervalMs: number,
  maxRecordsPerBatch = 100_000,
  maxRowsPerBatch: number | null = null,
) =>
  createRate({
    rate: { ...none, ...rate },
    trigger: { intervalMs },
    limits: {
      maxRecordsPerBatch,
      maxRowsPerBatch,
      maxBytesPerBatch: 1,
      maxBufferedBytes: 1,
      shutdownTimeoutMs: 1,
      startupTimeoutMs: 1,
    },
  })
const observed = { endedAtMs: 500, limitRecords: 1_000, schedulingDelayMs: 0 }

describe('back-pressure', () => {
  test('begins with a small batch, or at the initial rate of all partitions', () => {
    expect(controllerOf({ backpressure: true }, 500).next(4)).toEqual({ maxRecords: 1_000 })
    const rate = { backpressure: true, initialRatePerPartition: 300 }
    expect(controllerOf(rate, 500).next(4)).toEqual({ maxRecords: 600 })
    expect(controllerOf(rate, 500).next(0)).toEqual({ maxRecords: 1 })
  })

  test('asks for as many records as are processed in an interval, and no more than a batch may have', () => {
    const controller = controllerOf({ backpressure: true }, 500)
    controller.observe({ ...observed, records: 1_000, processingMs: 50 })
    expect(controller.next(4)).toEqual({ maxRecords: 10_000 })
    const small = controllerOf({ backpressure: true }, 500, 700)
    expect(small.next(4)).toEqual({ maxRecords: 700 })
    small.observe({ ...observed, records: 700, processingMs: 50 })
    expect(small.next(4)).toEqual({ maxRecords: 700 })
  })

  test('has more records than there may be rows only where these make fewer', () => {
    const rate = { backpressure: true, initialRatePerPartition: 100_000 }
    const controller = controllerOf(rate, 1_000, 250_000, 100_000)
    expect(controller.next(9)).toEqual({ maxRecords: 100_000 })
    const fast = { ...observed, records: 100_000, limitRecords: 100_000, processingMs: 10 }
    controller.observe({ ...fast, rows: 100_000 })
    expect(controller.next(9)).toEqual({ maxRecords: 100_000 })
    controller.observe({ ...fast, rows: 50_000, endedAtMs: 1_500 })
    expect(controller.next(9)).toEqual({ maxRecords: 200_000 })
    controller.observe({ ...fast, rows: 7, endedAtMs: 2_500 })
    expect(controller.next(9)).toEqual({ maxRecords: 250_000 })
    controller.observe({ ...fast, rows: 300_000, endedAtMs: 3_500 })
    expect(controller.next(9)).toEqual({ maxRecords: 100_000 })
  })

  test('works a backlog off in batches that are done within their interval', () => {
    const plant = { computeRecordMs: 0.002, writeRecordMs: 0.02, fixedMs: 10 }
    const history = run(controllerOf({ backpressure: true }, 500), {
      plant,
      intervalMs: 500,
      backlogRecords: 1e9,
      batches: 60,
    })
    for (const { processingMs, schedulingDelayMs } of history.slice(10)) {
      expect(processingMs).toBeGreaterThan(450)
      expect(processingMs).toBeLessThanOrEqual(501)
      expect(schedulingDelayMs).toBeLessThan(5)
    }
  })

  test('after a batch that never ended is an eighth of it, until one ends', () => {
    const controller = controllerOf({ backpressure: true }, 500)
    controller.timedOut(800)
    expect(controller.next(1)).toEqual({ maxRecords: 100 })
    controller.observe({ ...observed, records: 0, processingMs: 50 })
    expect(controller.next(1)).toEqual({ maxRecords: 100 })
    controller.observe({ ...observed, records: 100, processingMs: 50 })
    expect(controller.next(1)).toEqual({ maxRecords: 1_000 })
    controller.timedOut(1)
    expect(controller.next(1)).toEqual({ maxRecords: 1 })
  })
})

describe('a maximum for each partition', () => {
  test('holds for each, and so for all of them, whatever else decides', () => {
    for (const backpressure of [false, true]) {
      const controller = controllerOf({ backpressure, maxRatePerPartition: 300 }, 500)
      expect(controller.next(4)).toEqual({ maxRecords: 600, maxRecordsPerPartition: 150 })
      expect(controller.next(40)).toEqual({ maxRecords: 1_000, maxRecordsPerPartition: 150 })
      controller.observe({ ...observed, records: 1_000, processingMs: 50 })
      expect(controller.next(40).maxRecords).toBeGreaterThan(1_000)
      controller.timedOut(80)
      expect(controller.next(40).maxRecords).toBe(10)
    }
  })
})

test('without back-pressure batches adapt to their target, also with an interval', () => {
  const controller = controllerOf({ targetBatchMs: 100 }, 500)
  expect(controller.next(4)).toEqual({ maxRecords: 1_000 })
  controller.observe({ ...observed, records: 1_000, processingMs: 400 })
  expect(controller.next(4)).toEqual({ maxRecords: 250 })
})
