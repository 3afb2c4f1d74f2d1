import type { Order } from './orders.ts'

/*
 * What must be in the table, counted by the producer alone: no code of the pipeline has a part in it. One count and
 * one exact sum in cents per item and minute.
 */

export interface Total {
  orders: number
  cents: bigint
}

/** A row of the table as plain text, money in cents. */
export interface TableRow {
  readonly item: string
  /** ISO text in UTC, for example `2026-01-01T12:00:00.000Z`. */
  readonly minute: string
  readonly orders: string
  readonly cents: string
}

export interface TotalDifference {
  readonly item: string
  readonly minute: string
  readonly expected: { readonly orders: number; readonly cents: string } | null
  readonly actual: { readonly orders: number; readonly cents: string } | null
}

export interface TotalsComparison {
  /** Sums of the differences row by row, so that one lost and one duplicated record never cancel. */
  readonly lost: number
  readonly duplicated: number
  readonly expected: TableTotals
  readonly actual: TableTotals
  /** How many rows differ, and the first of them. */
  readonly differentRows: number
  readonly differences: readonly TotalDifference[]
}

export interface TableTotals {
  readonly rows: number
  readonly orders: number
  /** Decimal text with two digits, for example `1234.50`. */
  readonly revenue: string
}

const MAX_DIFFERENCES = 20
const MINUTE_MS = 60_000

export class ExpectedTotals {
  readonly #rows = new Map<string, Total>()

  add({ item, cents, atMs }: Order): void {
    const key = rowKey(item, new Date(Math.floor(atMs / MINUTE_MS) * MINUTE_MS).toISOString())
    const total = this.#rows.get(key)
    if (!total) this.#rows.set(key, { orders: 1, cents: BigInt(cents) })
    else {
      total.orders += 1
      total.cents += BigInt(cents)
    }
  }

  /** Compares row by row; rows may come in any order. */
  compare(table: readonly TableRow[]): TotalsComparison {
    const missing = new Map(this.#rows)
    const differences: TotalDifference[] = []
    let [lost, duplicated, differentRows] = [0, 0, 0]
    const actual = { orders: 0, cents: 0n }
    const differ = (key: string, expected: Total | undefined, found: Total | undefined) => {
      const difference = (found?.orders ?? 0) - (expected?.orders ?? 0)
      if (difference < 0) lost -= difference
      else duplicated += difference
      differentRows += 1
      if (differences.length < MAX_DIFFERENCES) differences.push(described(key, expected, found))
    }
    for (const row of table) {
      const key = rowKey(row.item, row.minute)
      const found = { orders: Number(row.orders), cents: BigInt(row.cents) }
      const expected = missing.get(key)
      // A second row of one key finds nothing left to be compared with.
      missing.delete(key)
      actual.orders += found.orders
      actual.cents += found.cents
      if (expected?.orders !== found.orders || expected.cents !== found.cents) differ(key, expected, found)
    }
    for (const [key, expected] of missing) differ(key, expected, undefined)
    return {
      lost,
      duplicated,
      expected: this.#totals(),
      actual: { rows: table.length, orders: actual.orders, revenue: centsText(actual.cents) },
      differentRows,
      differences,
    }
  }

  #totals(): TableTotals {
    let [orders, cents] = [0, 0n]
    for (const total of this.#rows.values()) {
      orders += total.orders
      cents += total.cents
    }
    return { rows: this.#rows.size, orders, revenue: centsText(cents) }
  }
}

function rowKey(item: string, minute: string): string {
  return JSON.stringify([item, minute])
}

function described(key: string, expected: Total | undefined, actual: Total | undefined): TotalDifference {
  const [item, minute] = JSON.parse(key) as [string, string]
  const side = (total: Total | undefined) => total && { orders: total.orders, cents: String(total.cents) }
  return { item, minute, expected: side(expected) ?? null, actual: side(actual) ?? null }
}

export function centsText(cents: bigint): string {
  const digits = String(cents < 0n ? -cents : cents).padStart(3, '0')
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** `item-0001 2026-01-01T12:00:00.000Z: expected 5 orders of 12.50, found 4 of 10.00`. */
export function differenceText({ item, minute, expected, actual }: TotalDifference): string {
  const side = (total: TotalDifference['expected']) =>
    total ? `${total.orders} orders of ${centsText(BigInt(total.cents))}` : 'no row'
  return `${item} ${minute}: expected ${side(expected)}, found ${side(actual)}`
}
