import {
  append,
  count,
  document,
  integer,
  max,
  merge,
  optional,
  type Pipeline,
  type Stream,
  sum,
  text,
  upsert,
} from 'oncesink'

export interface Order {
  readonly k: string
  readonly v: number
  readonly note?: string
}

/** Into `totals`, `latest` and `seen`, all of them declared. */
export function intoDeclaredTables(orders: Stream<Order>): Pipeline[] {
  return [
    orders
      .groupBy({ k: ({ k }) => k })
      .aggregate({ n: count(), total: sum(({ v }) => v), most: max(({ v }) => v) })
      .into(merge({ table: 'totals', createTable: { k: text({ maxLength: 64 }), most: integer() } })),
    orders
      .map(({ v, note, k }) => ({ details: { v, of: [k] }, ...(note === undefined ? {} : { note }) }))
      .into(
        upsert({
          table: 'latest',
          // Two key columns: of the record's key there may be none.
          key: { k: ({ key }) => key?.toString() ?? '', part: ({ partition }) => partition },
          columns: { k: 'name' },
          createTable: {
            k: text({ maxLength: 64 }),
            part: integer(),
            details: document(),
            note: optional(text()),
          },
        }),
      ),
    orders
      .map(({ v }) => ({ v }))
      .into(
        append({
          table: 'seen',
          meta: {
            topic: 'topic',
            partition: 'partition',
            offset: 'log_offset',
            timestamp: 'at',
            key: 'record_key',
            headers: 'headers',
          },
          createTable: { v: integer() },
        }),
      ),
  ]
}
