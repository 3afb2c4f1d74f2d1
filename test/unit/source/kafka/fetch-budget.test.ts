import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FetchBudget } from '../../../../src/source/kafka/fetch-budget.ts'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

const asking = (claimedBytes: number, nextBatchBytes = 0) => ({ claimedBytes, nextBatchBytes })

describe('FetchBudget', () => {
  test('never gives away more than the limit, but for a least fetch of each partition that has nothing', () => {
    const partition = fc.tuple(fc.nat(20 * mebibyte), fc.nat(2 * mebibyte))
    const partitions = fc.array(partition, { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(partitions, fc.integer({ min: 1, max: 64 * mebibyte }), (of, limit) => {
        const budgeted = of.map(([claimedBytes, nextBatchBytes]) => asking(claimedBytes, nextBatchBytes))
        const granted = new FetchBudget(limit, budgeted).grant(budgeted, mebibyte)
        const empty = budgeted.filter(
          (p, i) => p.claimedBytes === 0 && (granted[i] ?? 0) <= 32 * kibibyte,
        ).length
        const before = of.reduce((sum, [claimed]) => sum + claimed, 0)
        const sum = granted.reduce((a, b) => a + b, 0)
        if (sum > 0)
          expect(sum).toBeLessThanOrEqual(Math.max(limit, limit / 2 + before, before) + empty * 32 * kibibyte)
        for (const [i, bytes] of granted.entries()) {
          expect(bytes).toBeLessThanOrEqual(mebibyte)
          if (budgeted[i]?.claimedBytes === 0) expect(bytes).toBeGreaterThan(0)
        }
      }),
    )
  })

  test('what one partition has borrowed does not touch the part of another', () => {
    const [greedy, other] = [asking(60 * mebibyte), asking(15 * mebibyte)]
    const budget = new FetchBudget(64 * mebibyte, [greedy, other])
    expect(budget.grant([greedy, other], mebibyte)).toEqual([0, mebibyte])
  })

  test('one busy partition among idle ones may use the common half', () => {
    const busy = asking(16 * mebibyte)
    const budget = new FetchBudget(64 * mebibyte, [busy, ...Array.from({ length: 64 }, () => asking(0))])
    expect(budget.grant([busy], mebibyte)).toEqual([mebibyte])
  })

  test('what was granted is spoken for', () => {
    const busy = Array.from({ length: 3 }, () => asking(20 * mebibyte))
    const budget = new FetchBudget(90 * mebibyte, busy)
    // Each has 15 MiB of its own; of the common 45 MiB they hold 15, so that 30 are left.
    const least = 32 * kibibyte
    expect(budget.grant(busy, 20 * mebibyte)).toEqual([20 * mebibyte, 10 * mebibyte - least, least])
    expect(budget.grant(busy, 20 * mebibyte)).toEqual([0, 0, 0])
  })

  test('as many as possible get what their next batch takes, before any of them gets more', () => {
    const some = Array.from({ length: 16 }, () => asking(0, 900 * kibibyte))
    const parts = new FetchBudget(32 * mebibyte, some).grant(some, 2 * mebibyte)
    // Each has 1 MiB of its own, and the first ones have the common half besides.
    expect(parts).toEqual(Array.from({ length: 16 }, () => 2 * mebibyte))
    const many = Array.from({ length: 512 }, () => asking(0, 96 * kibibyte))
    const granted = new FetchBudget(32 * mebibyte, many).grant(many, mebibyte)
    // Parts of 32 KiB would hold none of these batches: 341 of them fit into 32 MiB.
    expect(granted.filter((bytes) => bytes >= 96 * kibibyte)).toHaveLength(341)
    expect(granted.filter((bytes) => bytes === 32 * kibibyte)).toHaveLength(171)
  })

  test('a partition with something buffered waits until its next batch fits', () => {
    const full = asking(31 * mebibyte)
    const [own, next] = [asking(400 * kibibyte, 128 * kibibyte), asking(500 * kibibyte, 128 * kibibyte)]
    const others = Array.from({ length: 29 }, () => asking(0))
    const budget = new FetchBudget(32 * mebibyte, [full, own, next, ...others])
    // Each has 512 KiB of its own, and the common half is gone.
    expect(budget.grant([own, next], mebibyte)).toEqual([0, 0])
  })
})
