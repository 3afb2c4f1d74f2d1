import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FetchBudget } from '../../../../src/source/kafka/fetch-budget.ts'

const mebibyte = 1024 * 1024

describe('FetchBudget', () => {
  test('never gives away more than the limit, but for a least fetch of each partition that has nothing', () => {
    const partitions = fc.array(fc.nat(20 * mebibyte), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(partitions, fc.integer({ min: 1, max: 64 * mebibyte }), (claims, limit) => {
        const budgeted = claims.map((claimedBytes) => ({ claimedBytes }))
        const budget = new FetchBudget(limit, budgeted)
        const granted = budgeted.map((partition) => budget.grant(partition, mebibyte))
        const empty = budgeted.filter((p, i) => p.claimedBytes === 0 && (granted[i] ?? 0) <= 32 * 1024).length
        const before = claims.reduce((a, b) => a + b, 0)
        const sum = granted.reduce((a, b) => a + b, 0)
        if (sum > 0)
          expect(sum).toBeLessThanOrEqual(Math.max(limit, limit / 2 + before, before) + empty * 32 * 1024)
        for (const [i, bytes] of granted.entries()) {
          expect(bytes).toBeLessThanOrEqual(mebibyte)
          if (budgeted[i]?.claimedBytes === 0) expect(bytes).toBeGreaterThan(0)
        }
      }),
    )
  })

  test('what one partition has borrowed does not touch the part of another', () => {
    const greedy = { claimedBytes: 60 * mebibyte }
    const other = { claimedBytes: 15 * mebibyte }
    const budget = new FetchBudget(64 * mebibyte, [greedy, other])
    expect(budget.grant(greedy, mebibyte)).toBe(0)
    expect(budget.grant(other, mebibyte)).toBe(mebibyte)
  })

  test('one busy partition among idle ones may use the common half', () => {
    const partitions = Array.from({ length: 64 }, () => ({ claimedBytes: 0 }))
    const busy = { claimedBytes: 16 * mebibyte }
    const budget = new FetchBudget(64 * mebibyte, [busy, ...partitions])
    expect(budget.grant(busy, mebibyte)).toBe(mebibyte)
  })

  test('what was granted is spoken for', () => {
    const busy = Array.from({ length: 3 }, () => ({ claimedBytes: 20 * mebibyte }))
    const budget = new FetchBudget(90 * mebibyte, busy)
    // Each has 15 MiB of its own; of the common 45 MiB they hold 15, so that 30 are left.
    expect(busy.map((partition) => budget.grant(partition, 20 * mebibyte) / mebibyte)).toEqual([20, 10, 0])
  })
})
