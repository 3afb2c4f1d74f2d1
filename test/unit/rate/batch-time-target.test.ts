import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchTimeTarget } from '../../../src/rate/batch-time-target.ts'
import type { RateController } from '../../../src/rate/rate.ts'
import { SeededRandom } from '../../../src/runtime/seeded-random.ts'
import { endOf, type Plant, type RunBatch, run } from './plant.ts'

const CEILING = 100_000
const TARGET_MS = 1_000
const newTarget = (maxRecordsPerBatch = CEILING) =>
  new BatchTimeTarget({ targetBatchMs: TARGET_MS, maxRecordsPerBatch })
const always = (maxRecords: number): RateController => ({
  next: () => ({ maxRecords }),
  observe: () => {},
  timedOut: () => {},
})
const limits = (history: readonly RunBatch[]) => history.map(({ limitRecords }) => limitRecords)

/** A million records a second computed, and next to nothing to write: the target never matters. */
const fast: Plant = { computeRecordMs: 0.001, writeRecordMs: 0.0001, fixedMs: 5 }
/** Two milliseconds for each row. */
const slow: Plant = { computeRecordMs: 0.001, writeRecordMs: 2, fixedMs: 5 }

describe('a cold start', () => {
  test('begins with a thousand records and grows up to the ceiling, eight times at once where that is certain to fit', () => {
    const history = run(newTarget(), { plant: fast, backlogRecords: 1_000_000 })
    expect(limits(history).slice(0, 7)).toEqual([1_000, 1_000, 8_000, 8_000, 64_000, 100_000, 100_000])
  })

  test('doubles where more would only fit if not all of the time belonged to the records', () => {
    const plant = { computeRecordMs: 0.001, writeRecordMs: 0.0001, fixedMs: 450 }
    const history = run(newTarget(), { plant, backlogRecords: 1_000_000 })
    expect(limits(history).slice(0, 6)).toEqual([1_000, 1_000, 2_216, 2_216, 4_897, 9_794])
  })

  test('begins with the ceiling where that is less', () => {
    expect(newTarget(8).next()).toEqual({ maxRecords: 8 })
  })

  test('does not grow over a trickle, which needs no larger batches', () => {
    const history = run(newTarget(), {
      plant: fast,
      backlogRecords: 0,
      recordsPerSecond: 500,
      batches: 2_000,
    })
    expect(new Set(limits(history))).toEqual(new Set([1_000]))
  })

  test('into a slow database never floods it: no batch takes more than twice the target', () => {
    const perRecord = fc.double({ min: 0.02, max: 0.9, noNaN: true })
    fc.assert(
      fc.property(perRecord, (writeRecordMs) => {
        const plant = { computeRecordMs: 0.002, writeRecordMs, fixedMs: 5 }
        const history = run(newTarget(), { plant, backlogRecords: 1_000_000, batches: 100 })
        for (const { processingMs } of history) expect(processingMs).toBeLessThan(2.01 * TARGET_MS)
      }),
    )
  })
})

describe('rows', () => {
  const roomy = () =>
    new BatchTimeTarget({ targetBatchMs: 1_000, maxRecordsPerBatch: 250_000, maxRowsPerBatch: 100_000 })
  const batch = { endedAtMs: 0, schedulingDelayMs: 0, processingMs: 5 }
  const grow = (target: BatchTimeTarget, rowsOf: (records: number) => number) => {
    for (let i = 0; i < 10; i++) {
      const { maxRecords: records } = target.next()
      target.observe({
        ...batch,
        records,
        limitRecords: records,
        rows: rowsOf(records),
        processingMs: 5 + records / 1e4,
      })
    }
    return target.next().maxRecords
  }

  test('let batches have the most records where they are few', () => {
    expect(grow(roomy(), () => 1_000)).toBe(250_000)
    expect(grow(roomy(), () => 0)).toBe(250_000)
  })

  test('are at most so many where there are more records than that, and fewer batches do not shrink for them', () => {
    expect(grow(roomy(), (records) => records)).toBe(100_000)
    expect(grow(roomy(), (records) => records / 2)).toBe(200_000)
    expect(grow(roomy(), (records) => records * 2)).toBe(100_000)
  })

  test('that become many bring the limit back', () => {
    const target = roomy()
    expect(grow(target, () => 1_000)).toBe(250_000)
    expect(grow(target, (records) => records)).toBe(100_000)
    // Also after a batch that its limit has not cut short: the next one might have all that the limit allows.
    expect(grow(target, () => 1_000)).toBe(250_000)
    target.observe({ ...batch, records: 120_000, limitRecords: 250_000, rows: 120_000 })
    expect(target.next().maxRecords).toBe(100_000)
  })
})

describe('a target costs nothing', () => {
  const plants = fc.record({
    computeRecordMs: fc.double({ min: 0.0005, max: 0.02, noNaN: true }),
    writeRecordMs: fc.double({ min: 0, max: 0.05, noNaN: true }),
    fixedMs: fc.double({ min: 1, max: 25, noNaN: true }),
  })

  test('next to the largest batches always: a backlog is worked off within 6 % of the time', () => {
    fc.assert(
      fc.property(plants, (plant) => {
        const backlogRecords = 5_000_000
        const adaptive = endOf(run(newTarget(), { plant, backlogRecords }))
        const fixed = endOf(run(always(CEILING), { plant, backlogRecords }))
        expect(adaptive).toBeLessThanOrEqual(fixed * 1.06 + 20 * plant.fixedMs)
      }),
    )
  })

  test('where batches take long whatever is in them: smaller ones would not be faster, only more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 600, max: 9_000 }), (fixedMs) => {
        const plant = { computeRecordMs: 0.002, writeRecordMs: 0.001, fixedMs }
        const history = run(newTarget(), { plant, backlogRecords: 1e9, batches: 300 })
        const begun = 30
        const records = history.slice(begun).reduce((sum, batch) => sum + batch.records, 0)
        const spentMs = endOf(history) - (history[begun - 1]?.endedAtMs ?? 0)
        const fixed = run(always(CEILING), { plant, backlogRecords: records })
        expect(spentMs).toBeLessThan(endOf(fixed) * 1.2)
      }),
      { numRuns: 30 },
    )
  })
})

describe('a database that slows down', () => {
  const slowed = (from: number, until: number) => (i: number) => (i >= from && i < until ? slow : fast)

  test('makes batches shrink until they take the target, and grow again when it has healed', () => {
    const history = run(newTarget(), { plant: slowed(20, 80), backlogRecords: 1e9, batches: 120 })
    expect(history[19]?.limitRecords).toBe(CEILING)
    for (const { processingMs } of history.slice(40, 80)) {
      expect(processingMs).toBeGreaterThan(TARGET_MS / 4)
      expect(processingMs).toBeLessThanOrEqual(TARGET_MS)
    }
    expect(history.at(-1)?.limitRecords).toBe(CEILING)
  })

  test('is not asked twice for the same: the batch that was planned before the news cuts the limit no further', () => {
    const target = newTarget()
    const batch = { endedAtMs: 0, records: 1_000, limitRecords: 1_000, schedulingDelayMs: 0 }
    target.observe({ ...batch, processingMs: 20_000 })
    expect(target.next()).toEqual({ maxRecords: 125 })
    target.observe({ ...batch, processingMs: 20_000 })
    expect(target.next()).toEqual({ maxRecords: 125 })
  })

  test('while batches shrink, so that this does not seem to help, has them shrink on after a while', () => {
    // Ten times slower, then eight times more: the smaller batch takes as long as the larger one did.
    const worse = (i: number): Plant => {
      if (i < 20) return fast
      return { computeRecordMs: 0.001, writeRecordMs: i < 22 ? 0.2 : 1.6, fixedMs: 5 }
    }
    const history = run(newTarget(), { plant: worse, backlogRecords: 1e9, batches: 80 })
    expect(history.at(-1)?.processingMs).toBeLessThanOrEqual(TARGET_MS)
  })

  test('and gives a batch up: the next one is an eighth of it', () => {
    const target = newTarget()
    run(target, { plant: fast, backlogRecords: 1_000_000 })
    expect(target.next()).toEqual({ maxRecords: CEILING })
    target.timedOut(80_000)
    expect(target.next()).toEqual({ maxRecords: 10_000 })
    target.timedOut(1)
    expect(target.next()).toEqual({ maxRecords: 1 })
  })
})

describe('the limit', () => {
  test('does not follow from a batch without records, however long it took', () => {
    const target = newTarget()
    target.observe({
      endedAtMs: 0,
      records: 0,
      limitRecords: 1_000,
      processingMs: 9_000,
      schedulingDelayMs: 0,
    })
    expect(target.next()).toEqual({ maxRecords: 1_000 })
  })

  test('is a whole number from 1 to the ceiling, whatever it is told', () => {
    const anything = fc.oneof(fc.double(), fc.double({ min: 0, max: 1e5 }), fc.integer(), fc.constant(0))
    const batch = fc.record({
      endedAtMs: anything,
      records: anything,
      limitRecords: fc.integer({ min: 1, max: 10_000_000 }),
      processingMs: anything,
      schedulingDelayMs: anything,
    })
    const ceilings = fc.integer({ min: 1, max: 10_000_000 })
    fc.assert(
      fc.property(fc.array(fc.option(batch), { maxLength: 50 }), ceilings, (told, ceiling) => {
        const target = newTarget(ceiling)
        for (const each of told) {
          if (each) target.observe(each)
          else target.timedOut(7)
          const { maxRecords } = target.next()
          expect(Number.isInteger(maxRecords)).toBe(true)
          expect(maxRecords).toBeGreaterThanOrEqual(1)
          expect(maxRecords).toBeLessThanOrEqual(ceiling)
        }
        // None of which it is left with.
        const [last] = run(target, { plant: slow, backlogRecords: 1e9, batches: 150 }).slice(-1)
        expect(last?.processingMs).toBeLessThanOrEqual(TARGET_MS)
        expect(last?.records).toBeGreaterThanOrEqual(Math.min(ceiling, 100))
      }),
    )
  })

  test('holds the target under noise: nine batches of ten take less than one and a half times as long', () => {
    const random = new SeededRandom(5)
    const plant = { computeRecordMs: 0.002, writeRecordMs: 0.1, fixedMs: 20 }
    const noise = () => 0.8 + 0.4 * random.fraction()
    const history = run(newTarget(), { plant, backlogRecords: 1e9, batches: 500, noise }).slice(20)
    const long = history.filter(({ processingMs }) => processingMs > 1.5 * TARGET_MS)
    expect(long.length).toBeLessThan(history.length / 10)
  })
})
