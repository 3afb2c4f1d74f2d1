import { createHash } from 'node:crypto'
import type { Engine } from '../../src/services/index.ts'
import type { OrderLog } from '../orders.ts'

/** What is in a table of orders, as far as it can be told without looking at every row twice. */
export interface Content {
  readonly rows: number
  readonly cents: number
  readonly offsets: number
  /** Sum over all rows of the first 32 bits of the SHA-256 of what is in them: the order of the rows does not matter. */
  readonly digest: number
}

/** One row of the log, and where it is. */
export interface PlacedOrder {
  readonly item: string
  readonly user: string
  readonly amount: number
  /** ISO 8601, with milliseconds and `Z`. */
  readonly at: string
  readonly partition: number
  readonly offset: number
}

/** Every order of the log in the order in which it is produced: all batches in turns. */
export function* placedOrders({ batches, times }: OrderLog): Generator<PlacedOrder> {
  const parsed = batches.map(({ partition, values }) => ({
    partition,
    orders: values.map((value) => JSON.parse(value) as Omit<PlacedOrder, 'partition' | 'offset'>),
  }))
  const next = new Map<number, number>()
  for (let time = 0; time < times; time++) {
    for (const { partition, orders } of parsed) {
      let offset = next.get(partition) ?? 0
      for (const order of orders) yield { ...order, partition, offset: offset++ }
      next.set(partition, offset)
    }
  }
}

/** What the table must hold once all of the log is in it. */
export function expectedContent(log: OrderLog): Content {
  let [rows, cents, offsets, digest] = [0, 0, 0, 0]
  for (const { item, user, amount, at, partition, offset } of placedOrders(log)) {
    const own = Math.round(amount * 100)
    rows += 1
    cents += own
    offsets += offset
    const text = `${item}|${user}|${own}|${Date.parse(at)}|${partition}|${offset}`
    digest += createHash('sha256').update(text).digest().readUInt32BE(0)
  }
  return { rows, cents, offsets, digest }
}

/** The SELECT that says what is in `table`, as text: `rows_`, `cents`, `offsets`, `digest`. */
export function contentQuery(engine: Engine, table: string): string {
  const [cents, ms, hash] =
    engine === 'postgres'
      ? [
          '(amount * 100)::bigint',
          '(extract(epoch FROM at) * 1000)::bigint',
          (text: string) =>
            `('x' || left(encode(sha256(convert_to(${text}, 'UTF8')), 'hex'), 8))::bit(32)::bigint`,
        ]
      : [
          'CAST(amount * 100 AS signed)',
          `CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', at) DIV 1000 AS signed)`,
          (text: string) => `CAST(CONV(LEFT(SHA2(${text}, 256), 8), 16, 10) AS unsigned)`,
        ]
  const text = `concat_ws('|', item, customer, ${cents}, ${ms}, part, log_offset)`
  return `SELECT count(*) AS rows_, sum(${cents}) AS cents, sum(log_offset) AS offsets, sum(${hash(text)}) AS digest FROM ${table}`
}

/** What is not as it must be; null when everything is. */
export function wrongContent(expected: Content, found: Content): string | null {
  const wrong = (Object.keys(expected) as (keyof Content)[]).filter((name) => found[name] !== expected[name])
  if (wrong.length === 0) return null
  return wrong.map((name) => `${name} ${found[name]}, not ${expected[name]}`).join('; ')
}
