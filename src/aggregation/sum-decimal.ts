import { OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import { type Aggregate, aggregateOf, type Selector } from './aggregate.ts'
import { decimalText, MAX_SCALE, scaledReader } from './decimal.ts'
import { addExact, type ExactInteger } from './exact-integer.ts'
import { refuseUnknownOptions } from './refuse-unknown-options.ts'

export interface SumDecimalOptions {
  /** Digits after the point, 0 to 30. The column must have at least as many. */
  readonly scale: number
}

/**
 * Exact sum of decimals. Needs a NUMERIC (DECIMAL) column of at least `scale`; the result is a decimal string with
 * `scale` digits after the point.
 *
 * Accepts decimal strings, bigints, and finite numbers, which stand for their shortest decimal form. A record fails
 * that has more digits after the point than `scale` (nothing is ever rounded), or a fractional number of more than 15
 * significant digits: what JSON said before it became a number is no longer known, so pass it as a string.
 *
 * @throws OncesinkError CONFIGURATION_INVALID for a scale that is not an integer from 0 to 30, or an unknown option
 */
export function sumDecimal<T, Key>(
  select: Selector<T, number | bigint | string, Key>,
  options: SumDecimalOptions,
): Aggregate<T, string, Key> {
  refuseUnknownOptions('sumDecimal', options, ['scale'])
  const scale: unknown = options?.scale
  if (typeof scale !== 'number' || !Number.isInteger(scale) || scale < 0 || scale > MAX_SCALE) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `a decimal sum needs { scale: n } with n an integer from 0 to ${MAX_SCALE}, but got ${describeValue(scale)}`,
    )
  }
  const read = scaledReader(scale)
  return aggregateOf<T, ExactInteger, string, Key>({
    kind: 'sumDecimal',
    mergeRule: 'add',
    scale,
    select,
    zero: () => 0,
    add: (state, value, meta) => addExact(state, read(select(value, meta))),
    merge: addExact,
    result: (state) => decimalText(state, scale),
  })
}
