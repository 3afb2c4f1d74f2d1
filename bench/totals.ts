import type { OrderLog } from './orders.ts'

export interface WrittenTotal {
  readonly item: string
  readonly orders: string | number
  /** A decimal with two digits after the point. */
  readonly revenue: string
}

/** What is not exactly as the log says, item by item; null when everything is. */
export function wrongTotal(totals: OrderLog['totals'], written: readonly WrittenTotal[]): string | null {
  if (written.length !== totals.size) return `${written.length} items, not ${totals.size}`
  for (const { item, orders, revenue } of written) {
    const expected = totals.get(item)
    const cents = Number(String(revenue).replace('.', ''))
    if (Number(orders) === expected?.orders && cents === expected.cents) continue
    return `${orders} orders and ${revenue} for ${item}, not ${expected?.orders} and ${expected?.cents} cents`
  }
  return null
}
