import { type Aggregate, aggregateOf } from './aggregate.ts'

/** Number of records. Needs a BIGINT column. */
export function count(): Aggregate<unknown, number, unknown> {
  return aggregateOf<unknown, number, number, unknown>({
    kind: 'count',
    mergeRule: 'add',
    zero: () => 0,
    add: (state) => state + 1,
    merge: (a, b) => a + b,
    result: (state) => state,
  })
}
