import { describeValue } from '../model/excerpt.ts'
import { type Aggregate, aggregateOf, type Selector } from './aggregate.ts'
import { addExact, type ExactInteger, exactInteger } from './exact-integer.ts'

const MAX_BIGINT = 2n ** 63n - 1n
const MIN_BIGINT = -(2n ** 63n)

/**
 * Exact sum of integers: safe integers or bigints. Needs a BIGINT column; the result is a bigint, because a sum of
 * safe integers need not be safe.
 *
 * A record fails for which `select` gives anything else (a fraction: use {@link sumDecimal}). A batch fails whose sum
 * does not fit a BIGINT column; inside a batch the order of adding does not matter.
 */
export function sum<T, Key>(select: Selector<T, number | bigint, Key>): Aggregate<T, bigint, Key> {
  return aggregateOf<T, ExactInteger, bigint, Key>({
    kind: 'sum',
    mergeRule: 'add',
    select,
    zero: () => 0,
    add(state, value, meta) {
      const term: unknown = select(value, meta)
      if (typeof term === 'number' && Number.isSafeInteger(term)) return addExact(state, term)
      if (typeof term === 'bigint') return addExact(state, exactInteger(term))
      throw new Error(notAnInteger(term))
    },
    merge: addExact,
    result(state) {
      const total = BigInt(state)
      if (total > MAX_BIGINT || total < MIN_BIGINT) {
        throw new Error(`the sum ${total} does not fit a BIGINT column: use sumDecimal(..., { scale: 0 })`)
      }
      return total
    },
  })
}

function notAnInteger(term: unknown): string {
  const got = `sum adds safe integers and bigints, but got ${describeValue(term)}`
  if (typeof term !== 'number') return got
  if (Number.isInteger(term))
    return `${got}, which is beyond the integers that a number holds exactly: use a bigint`
  return Number.isFinite(term) ? `${got}: use sumDecimal for decimals` : got
}
