import { describeValue } from '../model/excerpt.ts'
import { type Aggregate, aggregateOf, type Selector } from './aggregate.ts'

/**
 * Sum of doubles, rounded at every step: its last bits depend on the order of adding, and so on where batches were
 * cut. Needs a DOUBLE PRECISION column. For money, and wherever two sums must agree exactly, use `sumDecimal`.
 *
 * A record fails for which `select` gives anything but a finite number, and a batch whose sum overflows. `verify`
 * accepts a difference of 1e-9 of the larger value (or of 1, where both are smaller).
 */
export function sumDouble<T, Key>(select: Selector<T, number, Key>): Aggregate<T, number, Key> {
  return aggregateOf<T, number, number, Key>({
    kind: 'sumDouble',
    mergeRule: 'add',
    zero: () => 0,
    add(state, value, meta) {
      const term: unknown = select(value, meta)
      if (typeof term === 'number' && Number.isFinite(term)) return state + term
      const hint = typeof term === 'bigint' ? ': use sum for integers' : ''
      throw new Error(`sumDouble adds finite numbers, but got ${describeValue(term)}${hint}`)
    },
    merge: (a, b) => a + b,
    result(state) {
      if (Number.isFinite(state)) return state
      throw new Error('the sum is larger than a double can be: use sumDecimal')
    },
  })
}
