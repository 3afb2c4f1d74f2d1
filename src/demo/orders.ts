import type { SeededRandom } from '../runtime/seeded-random.ts'

/** One order as the producer knows it; money in whole cents, so that sums are exact. */
export interface Order {
  readonly item: string
  readonly user: string
  readonly cents: number
  /** Milliseconds since 1970. */
  readonly atMs: number
}

const ITEMS = 1_000
const USERS = 1_000_000
const MAX_CENTS = 10_000
/** All orders fall into this many minutes: some thousand rows, most of them merged into again and again. */
const SPAN_MS = 10 * 60_000
const FIRST_AT_MS = Date.UTC(2026, 0, 1, 12)

/** The `index`-th of `records` orders; their times rise, with some that come late. */
export function nextOrder(random: SeededRandom, index: number, records: number): Order {
  const onTime = Math.floor((index / records) * SPAN_MS)
  const lateMs = random.fraction() < 0.1 ? random.integer(0, SPAN_MS / 4) : 0
  return {
    item: `item-${String(random.integer(0, ITEMS - 1)).padStart(4, '0')}`,
    user: `u${random.integer(0, USERS - 1)}`,
    cents: random.integer(1, MAX_CENTS),
    atMs: FIRST_AT_MS + Math.max(0, onTime - lateMs),
  }
}

export function orderJson({ item, user, cents, atMs }: Order): string {
  return JSON.stringify({ item, user, amount: cents / 100, at: new Date(atMs).toISOString() })
}
