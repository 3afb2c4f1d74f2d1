import { describe, expect, test } from 'vitest'
import { json } from '../../../src/decode/json.ts'
import { defineJob, type JobOptions } from '../../../src/job/define-job.ts'
import { from } from '../../../src/pipeline/from.ts'
import { append } from '../../../src/sink/append.ts'

const pipeline = from({ kind: 'test', startFrom: 'earliest' })
  .decode(json<{ item: string }>())
  .into(append({ table: 't' }))
const define = (rate: unknown, intervalMs = 0) =>
  defineJob({
    name: 'orders',
    database: { engine: 'postgres' },
    pipeline,
    trigger: { intervalMs },
    rate: rate as NonNullable<JobOptions['rate']>,
  })

describe('the rate of a job', () => {
  test('is a target of a second, or of an interval that is longer', () => {
    expect(define(undefined).rate.targetBatchMs).toBe(1_000)
    expect(define({}, 200).rate.targetBatchMs).toBe(1_000)
    expect(define({}, 5_000).rate.targetBatchMs).toBe(5_000)
    expect(define({ targetBatchMs: 50 }, 5_000).rate.targetBatchMs).toBe(50)
  })

  test('is the estimator of back-pressure where that is asked for, with or without limits per partition', () => {
    expect(define({ backpressure: true }, 500).rate).toMatchObject({
      backpressure: true,
      initialRatePerPartition: null,
      maxRatePerPartition: null,
    })
    const limits = { initialRatePerPartition: 200, maxRatePerPartition: 200 }
    expect(define({ backpressure: true, ...limits }, 500).rate).toMatchObject(limits)
    expect(define({ maxRatePerPartition: null }, 500).rate).toMatchObject({ maxRatePerPartition: null })
    expect(define({ maxRatePerPartition: 2 }, 500).rate).toMatchObject({ maxRatePerPartition: 2 })
  })
})

test.each<[string, unknown, number, RegExp]>([
  ['no object', 'fast', 0, /rate must be an object, but is the string "fast"/],
  [
    'a misspelt option',
    { maxRatePerPartitions: 5 },
    500,
    /no option rate\.maxRatePerPartitions: there are rate\.backpressure, .*; did you mean rate\.maxRatePerPartition\?/,
  ],
  [
    "Spark's name for it",
    { backPressure: true },
    500,
    /no option rate\.backPressure: .* did you mean rate\.backpressure\?/,
  ],
  [
    'a word for true',
    { backpressure: 'yes' },
    500,
    /rate\.backpressure must be true or false, but is .*"yes"/,
  ],
  [
    'a rate of nothing',
    { maxRatePerPartition: 0 },
    500,
    /rate\.maxRatePerPartition must be an integer from 1 to/,
  ],
  [
    'a fractional rate',
    { backpressure: true, initialRatePerPartition: 1.5 },
    500,
    /rate\.initialRatePerPartition must be an integer from 1 to 100000000, but is .*1\.5/,
  ],
  [
    'an infinite rate',
    { maxRatePerPartition: Number.POSITIVE_INFINITY },
    500,
    /must be an integer from 1 to/,
  ],
  [
    'a target of nothing',
    { targetBatchMs: 0 },
    0,
    /rate\.targetBatchMs must be an integer from 1 to 86400000/,
  ],
  ['a target that is NaN', { targetBatchMs: Number.NaN }, 0, /rate\.targetBatchMs must be an integer/],
  [
    'back-pressure without an interval',
    { backpressure: true },
    0,
    /rate\.backpressure adapts batches to trigger\.intervalMs, which is 0: .* batches adapt to rate\.targetBatchMs anyway/,
  ],
  [
    'back-pressure and a target',
    { backpressure: true, targetBatchMs: 100 },
    500,
    /rate\.targetBatchMs and rate\.backpressure exclude each other/,
  ],
  [
    'an initial rate without back-pressure',
    { initialRatePerPartition: 5 },
    500,
    /rate\.initialRatePerPartition is where rate\.backpressure begins, which is not switched on/,
  ],
  [
    'a maximum without an interval',
    { maxRatePerPartition: 5 },
    0,
    /rate\.maxRatePerPartition is counted over trigger\.intervalMs, which is 0/,
  ],
  [
    'less than a record in an interval',
    { maxRatePerPartition: 3 },
    100,
    /rate\.maxRatePerPartition of 3 is less than one record in trigger\.intervalMs of 100: give at least 10, or an interval of at least 334/,
  ],
  [
    'an initial rate above the maximum',
    { backpressure: true, initialRatePerPartition: 9, maxRatePerPartition: 8 },
    500,
    /rate\.initialRatePerPartition is 9, but rate\.maxRatePerPartition allows 8/,
  ],
])('%s is refused', (_, rate, intervalMs, reason) => {
  expect(() => define(rate, intervalMs)).toThrow(reason)
})

test('everything that is wrong is told at once, and nothing that follows from it', () => {
  const wrong = { backpressure: true, initialRatePerPartition: 0, targetBatchMs: -1, maxRate: 5 }
  expect(() => define(wrong, 500)).toThrow(
    /initialRatePerPartition must be .*\n.*targetBatchMs must be .*\n.*exclude each other.*\n.*no option rate\.maxRate/,
  )
})
