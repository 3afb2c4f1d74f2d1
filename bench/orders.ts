import { nextOrder, type Order, orderJson } from '../src/demo/orders.ts'
import { SeededRandom } from '../src/runtime/seeded-random.ts'
import type { RepeatedBatch } from '../test/support/raw-producer.ts'

/*
 * The workload of the benchmarks: JSON orders of about 84 bytes (95 in the log) with 1,000 items. A batch of 1,000 orders is what a
 * producer sends at once; up to 200 batches differ, if nothing else is said, and are sent again in turns until there are
 * records enough.
 */

export const partitions = 4
export const ordersPerBatch = 1_000
/**
 * Times the records asked for that a suite takes which measures a rate, or what a batch costs: the start and its small batches
 * take half a second, whatever comes after them.
 */
export const STEADY = 4
const defaultKeys = 1_000
/** Has no factor in common with the numbers of keys, so that its multiples meet every one of them. */
const keyStride = 7_919

export interface OrderLog {
  readonly batches: readonly RepeatedBatch[]
  /** How often all batches are in the log. */
  readonly times: number
  readonly records: number
  /** What all orders amount to. */
  readonly cents: number
  /** The same with two decimal places, as a database writes it. */
  readonly revenue: string
  /** Orders and cents by item, over the whole log. */
  readonly totals: ReadonlyMap<string, { readonly orders: number; readonly cents: number }>
}

export interface OrderLogOptions {
  /** Default: 4. */
  readonly partitions?: number
  /** Distinct items; all of them are in the log where it has records enough. Default: 1,000. */
  readonly keys?: number
  /** Batches that differ, at least one for each partition; more for more keys. Default: 200. */
  readonly distinctBatches?: number
}

/** The log of at least `records` orders; the same ones for the same number and options. */
export function orderLog(records: number, options: OrderLogOptions = {}): OrderLog {
  const { partitions: partitionCount = partitions, keys = defaultKeys, distinctBatches = 200 } = options
  const wanted = Math.ceil(records / ordersPerBatch)
  const distinct = Math.max(distinctBatches, keys / ordersPerBatch)
  const count = Math.ceil(Math.min(distinct, wanted) / partitionCount) * partitionCount
  const times = Math.ceil(wanted / count)
  const random = new SeededRandom(7)
  const totals = new Map<string, { orders: number; cents: number }>()
  const batches = Array.from({ length: count }, (_, i) => ({
    partition: i % partitionCount,
    times,
    values: Array.from({ length: ordersPerBatch }, (_, at) => {
      const order = withKey(nextOrder(random, at, ordersPerBatch), keys, i * ordersPerBatch + at)
      const total = totals.get(order.item) ?? { orders: 0, cents: 0 }
      total.orders += times
      total.cents += order.cents * times
      totals.set(order.item, total)
      return orderJson(order)
    }),
  }))
  const cents = [...totals.values()].reduce((sum, total) => sum + total.cents, 0)
  const revenue = (cents / 100).toFixed(2)
  return { batches, times, records: count * times * ordersPerBatch, cents, revenue, totals }
}

/** The `index`-th order under one of `keys` items, every one of which has its turn; with the default, as it is. */
function withKey(order: Order, keys: number, index: number): Order {
  if (keys === defaultKeys) return order
  return { ...order, item: `item-${String((index * keyStride) % keys).padStart(4, '0')}` }
}
