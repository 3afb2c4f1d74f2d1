import { describe, expect, test } from 'vitest'
import { Planner } from '../../../src/driver/planner.ts'
import type { PartitionResult } from '../../../src/executor/executor.ts'
import type { Claim } from '../../../src/model/claim.ts'

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
  bytes: 0,
  leaderEpoch: 0,
  partials: [],
})
const newPlanner = () => new Planner({ maxRecordsPerBatch: 1000, until: null })
const owned = [claim(0, 0n), claim(1, 50n)]

describe('how large the next batch may be', () => {
  test('a normal batch has all the records that are allowed, from every partition, without bounds', () => {
    expect(newPlanner().next(0, owned)).toEqual({
      maxRecords: 1000,
      maxWaitMs: 1000,
      includeEmptyRanges: false,
      order: 'fair',
    })
  })

  test('ranges without visible records are asked for every 5 seconds, however much is committed in between', () => {
    const planner = newPlanner()
    const asked: number[] = []
    for (let nowMs = 1_000; nowMs <= 17_000; nowMs += 500) {
      if (planner.next(nowMs, owned).includeEmptyRanges) asked.push(nowMs)
      planner.committed(owned)
    }
    expect(asked).toEqual([6_000, 11_000, 16_000])
  })

  test('a run that ends somewhere never takes more, and asks for empty ranges so that it gets there', () => {
    const until = new Map([['t/0', 7n]])
    const plan = new Planner({ maxRecordsPerBatch: 10, until }).next(0, owned)
    expect(plan.until).toEqual(until)
    expect(plan.includeEmptyRanges).toBe(true)
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
    expect(planner.committed([claim(0, 7n), claim(1, 50n)])).toBe(false)
    expect(planner.next(0, [claim(0, 7n), claim(1, 50n)]).order).toBe('sequential')
    expect(planner.committed([claim(0, 10n), claim(1, 50n)])).toBe(false)
    expect(planner.next(0, [claim(0, 10n), claim(1, 50n)]).until).toEqual(
      new Map([
        ['t/0', 10n],
        ['t/1', 60n],
      ]),
    )
    expect(planner.committed([claim(0, 10n), claim(1, 60n)])).toBe(true)
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
          planner.committed([claim(0, BigInt(position))])
        }
        plan = planner.next(0, [claim(0, BigInt(position))])
      }
      expect(position).toBe(bad)
    }
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
    planner.committed(owned)
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
