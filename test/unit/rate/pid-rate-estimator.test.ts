import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PidRateEstimator, type RateObservation } from '../../../src/rate/pid-rate-estimator.ts'

const MIN_RATE = 100

/** An estimator, and batches of `intervalMs` that are as large as it says and cost what `serve` says. */
class Loop {
  readonly estimator: PidRateEstimator
  readonly #intervalMs: number
  #now = 0

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs
    this.estimator = new PidRateEstimator({ intervalMs, minRate: MIN_RATE })
  }

  /** @returns the rate after `batches` more of them; the first batch has `firstRecords` */
  run(batches: number, serve: { ratePerSecond: number; fixedMs?: number }, firstRecords = 1_000): number {
    const { ratePerSecond, fixedMs = 0 } = serve
    for (let i = 0; i < batches; i += 1) {
      const { rate } = this.estimator
      const records =
        rate === null ? firstRecords : Math.max(1, Math.floor((rate * this.#intervalMs) / 1_000))
      const processingMs = fixedMs + (records / ratePerSecond) * 1_000
      this.#now += Math.max(this.#intervalMs, processingMs)
      this.estimator.observe({
        endedAtMs: this.#now,
        records,
        processingMs,
        schedulingDelayMs: Math.max(0, processingMs - this.#intervalMs),
      })
    }
    return this.estimator.rate ?? 0
  }
}

const intervals = fc.integer({ min: 50, max: 60_000 })
const serviceRates = fc.integer({ min: 2_000, max: 2_000_000 })

describe('the rate estimator', () => {
  test('knows nothing before the first batch, whose processing rate is the first estimate', () => {
    const estimator = new PidRateEstimator({ intervalMs: 1_000, minRate: MIN_RATE })
    expect(estimator.rate).toBeNull()
    estimator.observe({ endedAtMs: 10, records: 500, processingMs: 250, schedulingDelayMs: 900 })
    expect(estimator.rate).toBe(2_000)
  })

  test('subtracts the whole error, and a fifth of the work that waits, per interval', () => {
    const estimator = new PidRateEstimator({ intervalMs: 1_000, minRate: MIN_RATE })
    estimator.observe({ endedAtMs: 1_000, records: 2_000, processingMs: 1_000, schedulingDelayMs: 0 })
    estimator.observe({ endedAtMs: 2_000, records: 1_500, processingMs: 1_000, schedulingDelayMs: 400 })
    // 2000 - 1 * (2000 - 1500) - 0.2 * (400 * 1500 / 1000)
    expect(estimator.rate).toBe(1_380)
  })

  test('converges to the rate at which batches are served, from above and from below', () => {
    fc.assert(
      fc.property(
        intervals,
        serviceRates,
        fc.integer({ min: 1, max: 10_000_000 }),
        (interval, served, first) => {
          const rate = new Loop(interval).run(60, { ratePerSecond: served }, first)
          expect(Math.abs(rate - served) / served).toBeLessThan(0.02)
        },
      ),
    )
  })

  test('leaves room for what a batch costs whatever is in it', () => {
    fc.assert(
      fc.property(
        intervals,
        serviceRates,
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        (interval, served, part) => {
          const rate = new Loop(interval).run(300, { ratePerSecond: served, fixedMs: part * interval })
          const sustainable = served * (1 - part)
          expect(rate).toBeLessThanOrEqual(sustainable * 1.02)
          expect(rate).toBeGreaterThanOrEqual(Math.min(sustainable * 0.9, served))
        },
      ),
    )
  })

  test('follows a service that becomes slower, and one that becomes faster again', () => {
    fc.assert(
      fc.property(intervals, serviceRates, fc.integer({ min: 2, max: 10 }), (interval, served, factor) => {
        const loop = new Loop(interval)
        loop.run(30, { ratePerSecond: served })
        const slow = loop.run(60, { ratePerSecond: served / factor })
        expect(Math.abs(slow - served / factor)).toBeLessThan((served / factor) * 0.02)
        const healed = loop.run(60, { ratePerSecond: served })
        expect(Math.abs(healed - served)).toBeLessThan(served * 0.02)
      }),
    )
  })

  test('is a number from the minimum up, whatever it is told', () => {
    const anything = fc.oneof(fc.double(), fc.double({ min: 0, max: 1e6 }), fc.integer(), fc.constant(0))
    const observation = fc.record({
      endedAtMs: anything,
      records: anything,
      processingMs: anything,
      schedulingDelayMs: anything,
    })
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 30 }), intervals, (observations, intervalMs) => {
        const estimator = new PidRateEstimator({ intervalMs, minRate: MIN_RATE })
        for (const each of observations) {
          const heeded = estimator.observe(each)
          const { rate } = estimator
          if (heeded) expect(rate).not.toBeNull()
          if (rate === null) continue
          expect(Number.isFinite(rate)).toBe(true)
          expect(rate).toBeGreaterThanOrEqual(MIN_RATE)
        }
      }),
    )
  })

  const good: RateObservation = { endedAtMs: 2_000, records: 100, processingMs: 50, schedulingDelayMs: 0 }

  test.each<[string, Partial<RateObservation>]>([
    ['without records', { records: 0 }],
    ['without a duration', { processingMs: 0 }],
    ['of a duration below 0', { processingMs: -1 }],
    ['from before the last one', { endedAtMs: 999 }],
    ['of the same moment as the last one', { endedAtMs: 1_000 }],
    ['of no known duration', { processingMs: Number.NaN }],
    ['of an endless duration', { processingMs: Number.POSITIVE_INFINITY, records: Number.POSITIVE_INFINITY }],
    ['of no known delay', { schedulingDelayMs: Number.NaN }],
    ['of no known time', { endedAtMs: Number.NaN }],
  ])('does not heed a batch %s', (_, wrong) => {
    const estimator = new PidRateEstimator({ intervalMs: 1_000, minRate: MIN_RATE })
    estimator.observe({ endedAtMs: 1_000, records: 400, processingMs: 1_000, schedulingDelayMs: 0 })
    expect(estimator.observe({ ...good, ...wrong })).toBe(false)
    expect(estimator.rate).toBe(400)
    expect(estimator.observe(good)).toBe(true)
    expect(estimator.rate).toBe(2_000)
  })
})
