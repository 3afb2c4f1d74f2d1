import { describe, expect, test } from 'vitest'
import { Planner } from '../../../src/driver/planner.ts'
import type { PartitionResult } from '../../../src/executor/executor.ts'
import type { Claim } from '../../../src/model/claim.ts'
import type { BatchLimits, ProcessedBatch, RateController } from '../../../src/rate/rate.ts'

const claim = (partition: number, nextOffset: bigint): Claim => ({
  topic: 't',
  partition,
  nextOffset,
  epoch: 1n,
  claimId: 'c',
  incarnation: 0,
  seq: 1n,
  leaderEpoch: 0,
  topicId: 'id',
})
const result = (partition: number, from: bigint, until: bigint, records: number): PartitionResult => ({
  range: { topic: 't', partition, from, until },
  records,
  lastOffset: until - 1n,
  deadLetters: [],
  digest: null,
  bytes: 0,
  leaderEpoch: 0,
  computeMs: 0,
  partials: [],
})
const p0 = { topic: 't', partition: 0 }
/** Always allows the same, and remembers what it is told. */
class FixedRate implements RateController {
  readonly told: unknown[] = []
  readonly #limits: BatchLimits
  constructor(limits: BatchLimits) {
    this.#limits = limits
  }
  next(partitions: number): BatchLimits {
    this.told.push({ partitions })
    return this.#limits
  }
  observe(batch: ProcessedBatch): void {
    this.told.push(batch)
  }
  timedOut(limitRecords: number): void {
    this.told.push({ timedOut: limitRecords })
  }
}

const rate = new FixedRate({ maxRecords: 1000 })
const newPlanner = () =>
  new Planner({ maxRecordsPerBatch: 1000, maxBytesPerBatch: 5000, rate, until: null, unit: 'batch' })
const owned = [claim(0, 0n), claim(1, 50n)]

describe('how large the next batch may be', () => {
  test('a normal batch has all the records that are allowed, from every partition, without bounds', () => {
    expect(newPlanner().next(0, owned)).toEqual({
      maxRecords: 1000,
      maxBytes: 5000,
      maxWaitMs: 1000,
      includeEmptyRanges: false,
      order: 'fair',
    })
  })

  test('says whether ranges may be added up as one, where nobody asks for each of them', () => {
    const limits = { maxRecordsPerBatch: 1000, maxBytesPerBatch: 5000, rate, until: null }
    const planner = new Planner({ ...limits, unit: 'batch', joinRanges: true })
    expect(planner.next(0, owned).joinRanges).toBe(true)
    planner.rejected([result(0, 0n, 10n, 10)])
    expect(planner.next(0, owned)).toMatchObject({ order: 'sequential', joinRanges: true })
  })

  test('ranges without visible records are asked for every 5 seconds, however much is committed in between', () => {
    const planner = newPlanner()
    const asked: number[] = []
    for (let nowMs = 1_000; nowMs <= 17_000; nowMs += 500) {
      if (planner.next(nowMs, owned).includeEmptyRanges) asked.push(nowMs)
      planner.committed(owned, [p0])
    }
    expect(asked).toEqual([6_000, 11_000, 16_000])
  })

  test('a run that ends somewhere never takes more, and asks for empty ranges so that it gets there', () => {
    const until = new Map([['t/0', 7n]])
    const plan = new Planner({
      maxRecordsPerBatch: 10,
      maxBytesPerBatch: 5000,
      rate,
      until,
      unit: 'batch',
    }).next(0, owned)
    expect(plan.until).toEqual(until)
    expect(plan.includeEmptyRanges).toBe(true)
  })
})

describe('what the rate allows', () => {
  const times = { schedulingDelayMs: 1, processingMs: 2, endedAtMs: 3 }
  const planned = (limits: BatchLimits) => {
    const fixed = new FixedRate(limits)
    return {
      fixed,
      planner: new Planner({
        maxRecordsPerBatch: 1000,
        maxBytesPerBatch: 5000,
        rate: fixed,
        until: null,
        unit: 'batch',
      }),
    }
  }

  test('is what a normal batch may have, for the partitions that are owned', () => {
    const { planner, fixed } = planned({ maxRecords: 70, maxRecordsPerPartition: 40 })
    expect(planner.next(0, owned)).toMatchObject({
      maxRecords: 70,
      maxRecordsPerPartition: 40,
      order: 'fair',
    })
    expect(fixed.told).toEqual([{ partitions: 2 }])
  })

  test('follows from the batches that commit', () => {
    const { planner, fixed } = planned({ maxRecords: 70 })
    const plan = planner.next(0, owned)
    fixed.told.length = 0
    planner.observe({ plan, times, results: [result(0, 0n, 9n, 8), result(1, 50n, 60n, 4)], rows: 7 })
    expect(fixed.told).toEqual([{ ...times, records: 12, rows: 7, limitRecords: 70 }])
  })

  test('does not matter to a search for a rejected record, and does not follow from it', () => {
    const { planner, fixed } = planned({ maxRecords: 3, maxRecordsPerPartition: 3 })
    planner.rejected([result(0, 0n, 10n, 10)])
    const plan = planner.next(0, owned)
    expect(plan.maxRecords).toBe(5)
    expect(plan).not.toHaveProperty('maxRecordsPerPartition')
    planner.observe({ plan, times, results: [result(0, 0n, 5n, 5)], rows: 5 })
    expect(fixed.told).toEqual([])
  })

  test('is told of a batch that the database gave up because it took too long, and of no other failure', () => {
    const { planner, fixed } = planned({ maxRecords: 70 })
    planner.failed([result(0, 0n, 10n, 10)], 'TRANSACTION_ABORTED')
    expect(fixed.told).toEqual([])
    planner.failed([result(0, 0n, 10n, 10)], 'STATEMENT_TIMEOUT')
    expect(fixed.told).toEqual([{ timedOut: 10 }])
  })
})

describe('a rejected batch is bisected by batches of their own', () => {
  test('the first half is next, in partition order, and partitions without suspects wait', () => {
    const planner = newPlanner()
    expect(planner.rejected([result(0, 0n, 10n, 10)])).toBe(true)
    const plan = planner.next(0, owned)
    expect(plan.maxRecords).toBe(5)
    expect(plan.order).toBe('sequential')
    expect(plan.until).toEqual(
      new Map([
        ['t/0', 10n],
        ['t/1', 50n],
      ]),
    )
  })

  test('a single record that is rejected cannot be halved', () => {
    expect(newPlanner().rejected([result(0, 0n, 9n, 1)])).toBe(false)
  })

  test('halves that pass where the whole failed end the search: nothing was poison', () => {
    const planner = newPlanner()
    planner.rejected([result(0, 0n, 10n, 10), result(1, 50n, 60n, 4)])
    expect(planner.committed([claim(0, 7n), claim(1, 50n)], [p0])).toBe(false)
    expect(planner.next(0, [claim(0, 7n), claim(1, 50n)]).order).toBe('sequential')
    expect(planner.committed([claim(0, 10n), claim(1, 50n)], [p0])).toBe(false)
    expect(planner.next(0, [claim(0, 10n), claim(1, 50n)]).until).toEqual(
      new Map([
        ['t/0', 10n],
        ['t/1', 60n],
      ]),
    )
    expect(planner.committed([claim(0, 10n), claim(1, 60n)], [p0])).toBe(true)
    expect(planner.next(0, [claim(0, 10n), claim(1, 60n)]).order).toBe('fair')
  })

  test('a position that has moved past a suspect without a commit ends the search too, and so does a lost partition', () => {
    const planner = newPlanner()
    planner.rejected([result(0, 0n, 10n, 10), result(1, 50n, 60n, 4)])
    expect(planner.next(0, [claim(0, 200n), claim(1, 50n)]).order).toBe('sequential')
    expect(planner.next(0, [claim(0, 200n)]).order).toBe('fair')
  })

  test('the search for one bad record among n ends at that record, with everything before it committed', () => {
    for (let bad = 0; bad < 37; bad += 1) {
      const planner = newPlanner()
      let position = 0
      let plan = planner.next(0, [claim(0, 0n)])
      for (let batches = 0; batches < 100; batches += 1) {
        const bound = Number(plan.until?.get('t/0') ?? 37n)
        const end = Math.min(bound, position + plan.maxRecords)
        if (end > bad) {
          if (!planner.rejected([result(0, BigInt(position), BigInt(end), end - position)])) break
        } else {
          position = end
          planner.committed([claim(0, BigInt(position))], [p0])
        }
        plan = planner.next(0, [claim(0, BigInt(position))])
      }
      expect(position).toBe(bad)
    }
  })
})

describe('a record that is rejected when it stands alone is condemned', () => {
  const cause = { code: 'ROWS_REJECTED', stage: 'sink', message: 'no', stack: null } as const
  const condemned = (offset: bigint) => ({ topic: 't', partition: 0, offset, cause })

  /** Runs a log of `records` in which those of `bad` are rejected; returns how many batches that took. */
  function drain(records: number, bad: readonly number[]) {
    const planner = newPlanner()
    const found: number[] = []
    let position = 0
    for (let batches = 1; batches < 1_000; batches += 1) {
      const plan = planner.next(0, [claim(0, BigInt(position))])
      const bound = Math.min(records, Number(plan.until?.get('t/0') ?? records))
      const end = Math.min(bound, position + plan.maxRecords)
      const skipped = Number(plan.condemned?.[0]?.offset ?? -1)
      if (bad.some((offset) => offset >= position && offset < end && offset !== skipped)) {
        if (!planner.rejected([result(0, BigInt(position), BigInt(end), end - position)])) {
          expect(end - position).toBe(1)
          found.push(position)
          planner.condemn(condemned(BigInt(position)))
        }
        continue
      }
      position = end
      planner.committed([claim(0, BigInt(position))], [p0])
      if (position === records) return { found, batches }
    }
    throw new Error('it does not come to an end')
  }

  test('it is left out by the next batch, and by no later one', () => {
    const planner = newPlanner()
    expect(planner.next(0, owned)).not.toHaveProperty('condemned')
    planner.condemn(condemned(3n))
    expect(planner.next(0, owned).condemned).toEqual([condemned(3n)])
    expect(planner.next(0, [claim(0, 3n)]).condemned).toEqual([condemned(3n)])
    expect(planner.next(0, [claim(0, 4n)])).not.toHaveProperty('condemned')
  })

  test('a partition that is lost takes its condemned record along', () => {
    const planner = newPlanner()
    planner.condemn(condemned(3n))
    expect(planner.next(0, [claim(1, 0n)])).not.toHaveProperty('condemned')
  })

  test('every bad record is found, and a good one never, in a number of batches that grows with the logarithm', () => {
    for (const bad of [[0], [999], [500, 501], [3, 400, 998]]) {
      const { found, batches } = drain(1_000, bad)
      expect(found).toEqual(bad)
      expect(batches).toBeLessThan(45 * bad.length)
    }
  })

  test('records that pass one by one let batches grow again', () => {
    const planner = newPlanner()
    planner.rejected([result(0, 0n, 2n, 2)])
    expect(planner.next(0, owned).maxRecords).toBe(1)
    planner.committed([claim(0, 1n), claim(1, 50n)], [p0])
    expect(planner.next(0, [claim(0, 1n), claim(1, 50n)]).maxRecords).toBe(2)
  })

  test('those of one rejected batch are counted together, those of the next one are not', () => {
    const planner = newPlanner()
    planner.rejected([result(0, 0n, 10n, 10)])
    expect(planner.condemn(condemned(2n))).toBe(1)
    planner.committed([claim(0, 3n)], [p0])
    expect(planner.condemn(condemned(5n))).toBe(2)
    planner.committed([claim(0, 10n)], [p0])
    expect(planner.condemn(condemned(20n))).toBe(1)
  })

  test('records that fail only together are tried in smaller batches, up to the one that failed', () => {
    const planner = newPlanner()
    planner.failsTogether({ topic: 't', partition: 0, offset: 6n }, 1_000)
    const plan = planner.next(0, owned)
    expect(plan).toMatchObject({ maxRecords: 500, order: 'sequential' })
    expect(plan.until?.get('t/0')).toBe(7n)
  })
})

describe('a batch that fails the same way again and again', () => {
  const attempt = [result(0, 0n, 8n, 8)]

  test('is halved at the third time, not before', () => {
    const planner = newPlanner()
    planner.failed(attempt, 'TRANSACTION_ABORTED')
    planner.failed(attempt, 'TRANSACTION_ABORTED')
    expect(planner.next(0, owned).maxRecords).toBe(1000)
    planner.failed(attempt, 'TRANSACTION_ABORTED')
    expect(planner.next(0, owned).maxRecords).toBe(4)
  })

  test('another failure or a commit in between starts the count again', () => {
    const planner = newPlanner()
    planner.failed(attempt, 'TRANSACTION_ABORTED')
    planner.failed(attempt, 'TRANSACTION_ABORTED')
    planner.failed(attempt, 'DATABASE_UNAVAILABLE')
    planner.failed(attempt, 'DATABASE_UNAVAILABLE')
    planner.committed(owned, [p0])
    planner.failed(attempt, 'DATABASE_UNAVAILABLE')
    expect(planner.next(0, owned).maxRecords).toBe(1000)
  })

  test('counts also when other partitions have joined the batch meanwhile', () => {
    const planner = newPlanner()
    planner.failed(attempt, 'STATEMENT_TIMEOUT')
    planner.failed([result(1, 50n, 60n, 3)], 'STATEMENT_TIMEOUT')
    planner.failed(attempt, 'STATEMENT_TIMEOUT')
    expect(planner.next(0, owned).maxRecords).toBe(4)
  })

  test('a single record is told apart by the rounds that it has failed; while there is something to halve there are none', () => {
    const planner = newPlanner()
    const single = [result(0, 0n, 1n, 1)]
    const rounds = Array.from({ length: 7 }, () => planner.failed(single, 'DATABASE_UNAVAILABLE'))
    expect(rounds).toEqual([0, 0, 1, 1, 1, 2, 2])
    expect(Array.from({ length: 3 }, () => planner.failed(attempt, 'STATEMENT_TIMEOUT'))).toEqual([0, 0, 0])
  })
})

describe('where ranges commit one by one', () => {
  const perRange = () => {
    const fixed = new FixedRate({ maxRecords: 1000 })
    const limits = { maxRecordsPerBatch: 1000, maxBytesPerBatch: 5000, until: null }
    return { fixed, planner: new Planner({ ...limits, rate: fixed, unit: 'range' }) }
  }

  test('a search takes less of its partition, and the others go on as ever', () => {
    const { planner } = perRange()
    planner.rejected([result(0, 0n, 10n, 10)])
    const plan = planner.next(0, owned)
    expect(plan).toMatchObject({ maxRecords: 1000, order: 'fair' })
    expect(plan.maxRecordsOf).toEqual(new Map([['t/0', 5]]))
    expect(plan.until).toEqual(new Map([['t/0', 10n]]))
  })

  test('two partitions are searched at once, each for itself', () => {
    const { planner } = perRange()
    planner.rejected([result(0, 0n, 10n, 10)])
    planner.rejected([result(1, 50n, 60n, 4)])
    planner.rejected([result(1, 50n, 55n, 2)])
    expect(planner.next(0, owned).maxRecordsOf).toEqual(
      new Map([
        ['t/0', 5],
        ['t/1', 1],
      ]),
    )
    expect(planner.committed([claim(0, 10n), claim(1, 50n)], [p0])).toBe(true)
    expect(planner.next(0, [claim(0, 10n), claim(1, 50n)]).maxRecordsOf).toEqual(new Map([['t/1', 1]]))
  })

  test('commits of others do not make failures of one less identical', () => {
    const { planner } = perRange()
    const attempt = [result(1, 50n, 60n, 8)]
    for (let i = 0; i < 3; i += 1) {
      planner.failed(attempt, 'TRANSACTION_ABORTED')
      planner.committed(owned, [p0])
    }
    expect(planner.next(0, owned).maxRecordsOf).toEqual(new Map([['t/1', 4]]))
  })

  test('each partition may have a record that is left out', () => {
    const { planner } = perRange()
    const cause = { code: 'ROWS_REJECTED', stage: 'sink', message: 'no', stack: null } as const
    const records = [
      { topic: 't', partition: 0, offset: 3n, cause },
      { topic: 't', partition: 1, offset: 51n, cause },
    ]
    for (const record of records) planner.condemn(record)
    expect(planner.next(0, owned).condemned).toEqual(records)
    expect(planner.next(0, [claim(0, 4n), claim(1, 50n)]).condemned).toEqual(records.slice(1))
  })

  test('a range that takes too long is halved, and the rate of all is not', () => {
    const { planner, fixed } = perRange()
    planner.failed([result(0, 0n, 10n, 10)], 'STATEMENT_TIMEOUT')
    expect(fixed.told).toEqual([])
    expect(planner.next(0, owned).maxRecordsOf).toEqual(new Map([['t/0', 5]]))
  })

  test('nothing is taken beyond where a partition is held', () => {
    const { planner } = perRange()
    planner.rejected([result(0, 0n, 10n, 10)])
    const held = new Map([
      ['t/0', 5n],
      ['t/2', 0n],
    ])
    expect(planner.next(0, owned, 1_000, held).until).toEqual(held)
    expect(planner.next(0, owned).until).toEqual(new Map([['t/0', 10n]]))
  })

  test('a partition that is lost takes its search along', () => {
    const { planner } = perRange()
    planner.rejected([result(0, 0n, 10n, 10)])
    planner.next(0, [claim(1, 50n)])
    expect(planner.next(0, owned)).not.toHaveProperty('maxRecordsOf')
  })
})
