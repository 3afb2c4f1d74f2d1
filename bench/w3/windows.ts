import type { Order } from '../../src/demo/orders.ts'
import { orderJson } from '../../src/demo/orders.ts'
import { SeededRandom } from '../../src/runtime/seeded-random.ts'
import type { RepeatedBatch } from '../../test/support/raw-producer.ts'
import { ordersPerBatch, partitions } from '../orders.ts'

/*
 * Orders of 1,000 items, whose times fall into so many minutes that 100,000 of them in a row have about 100,000 distinct
 * pairs of item and window, with two windows for each order.
 */

const items = 1_000
const minutes = 64
const minuteMs = 60_000
const firstAtMs = Date.UTC(2026, 0, 1, 12)
const maxBatches = 200

export interface WindowTotal {
  readonly orders: number
  readonly cents: number
}

export interface WindowLog {
  readonly batches: readonly RepeatedBatch[]
  readonly records: number
  /** Orders and cents by {@link windowKey}. */
  readonly totals: ReadonlyMap<string, WindowTotal>
}

export function windowKey(item: string, startMs: number): string {
  return `${item}/${startMs}`
}

/** The log of at least `records` orders; the same ones for the same number. */
export function windowLog(records: number): WindowLog {
  const wanted = Math.ceil(records / ordersPerBatch)
  const count = Math.ceil(Math.min(maxBatches, wanted) / partitions) * partitions
  const times = Math.ceil(wanted / count)
  const random = new SeededRandom(13)
  const totals = new Map<string, { orders: number; cents: number }>()
  const batches = Array.from({ length: count }, (_, i) => ({
    partition: i % partitions,
    times,
    values: Array.from({ length: ordersPerBatch }, () => {
      const order: Order = {
        item: `item-${String(random.integer(0, items - 1)).padStart(4, '0')}`,
        user: `u${random.integer(0, 999_999)}`,
        cents: random.integer(1, 10_000),
        atMs: firstAtMs + random.integer(0, minutes * minuteMs - 1),
      }
      const newest = Math.floor(order.atMs / minuteMs) * minuteMs
      for (const startMs of [newest, newest - minuteMs]) {
        const key = windowKey(order.item, startMs)
        const total = totals.get(key) ?? { orders: 0, cents: 0 }
        total.orders += times
        total.cents += order.cents * times
        totals.set(key, total)
      }
      return orderJson(order)
    }),
  }))
  return { batches, records: count * times * ordersPerBatch, totals }
}

export interface WrittenWindow {
  readonly item: string
  /** Start of the window in milliseconds since 1970. */
  readonly start_ms: string | number
  readonly orders: string | number
  /** A decimal with two digits after the point. */
  readonly revenue: string
}

/** What is not exactly as the log says, window by window; null when everything is. */
export function wrongWindow(totals: WindowLog['totals'], written: readonly WrittenWindow[]): string | null {
  if (written.length !== totals.size) return `${written.length} windows, not ${totals.size}`
  for (const { item, start_ms: startMs, orders, revenue } of written) {
    const expected = totals.get(windowKey(item, Number(startMs)))
    const cents = Number(String(revenue).replace('.', ''))
    if (Number(orders) === expected?.orders && cents === expected.cents) continue
    return `${orders} orders and ${revenue} for ${item} from ${startMs}, not ${expected?.orders} and ${expected?.cents} cents`
  }
  return null
}
