import { expect, test } from 'vitest'
import { nextOrder, orderJson } from '../../../src/demo/orders.ts'
import { SeededRandom } from '../../../src/runtime/seeded-random.ts'

function stream(seed: number, records: number) {
  const random = new SeededRandom(seed)
  return Array.from({ length: records }, (_, i) => nextOrder(random, i, records))
}

test('a seed repeats its orders, another seed gives others', () => {
  expect(stream(1, 50)).toEqual(stream(1, 50))
  expect(stream(1, 50)).not.toEqual(stream(2, 50))
})

test('an order is JSON with an amount of at most two digits that stands for its cents exactly', () => {
  for (const order of stream(3, 2_000)) {
    const { item, user, amount, at } = JSON.parse(orderJson(order)) as Record<string, unknown>
    expect(item).toMatch(/^item-\d{4}$/)
    expect(user).toMatch(/^u\d+$/)
    expect(Number(amount).toFixed(2)).toBe((order.cents / 100).toFixed(2))
    expect(Math.round(Number(amount) * 100)).toBe(order.cents)
    expect(Number(amount)).toBeGreaterThan(0)
    expect(Date.parse(String(at))).toBe(order.atMs)
  }
})

test('orders fall into ten minutes, and some come late', () => {
  const times = stream(4, 2_000).map(({ atMs }) => atMs)
  const minutes = new Set(times.map((atMs) => Math.floor(atMs / 60_000)))
  expect(minutes.size).toBe(10)
  expect(times.some((atMs, i) => i > 0 && atMs < (times[i - 1] ?? 0))).toBe(true)
})

test('fractions are in [0, 1) and fill it, integers reach both ends', () => {
  const random = new SeededRandom(5)
  const fractions = Array.from({ length: 10_000 }, () => random.fraction())
  expect(Math.min(...fractions)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...fractions)).toBeLessThan(1)
  expect(fractions.reduce((sum, x) => sum + x, 0) / fractions.length).toBeCloseTo(0.5, 1)
  expect(new Set(Array.from({ length: 200 }, () => random.integer(2, 4)))).toEqual(new Set([2, 3, 4]))
})
