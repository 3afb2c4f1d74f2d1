import type { ColumnValue } from '../model/values.ts'
import type { ColumnHolds } from './column-class.ts'
import { decimalLiteral } from './number-text.ts'

/*
 * What a column would change without an error is refused before it is sent, on every engine in the same words. All
 * functions throw a RangeError.
 */

/**
 * A number beyond 2^53 in a column that keeps exact ones: JSON.parse has rounded it long ago, and nobody could tell from
 * which number. Doubles may be as large as they like.
 */
export function refuseRoundedInteger(value: ColumnValue): void {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || !Number.isInteger(value)) return
  throw new RangeError(
    `${value} is beyond 2^53 - 1, where numbers of JavaScript are rounded: give a bigint, or text; ` +
      "json({ numbers: 'exact' }) refuses such numbers in records",
  )
}

/** @param text the value as it is sent */
export function refuseDigitsBeyond(scale: number | null, text: string): void {
  if (scale === null) return
  const point = text.indexOf('.')
  const short = point === -1 || text.length - point - 1 <= scale
  if (scale >= 0 && short && plainDecimal.test(text)) return
  // Not a number, infinities and what is no number at all are the server's to judge.
  if (anyDecimal.test(text)) decimalLiteral(text, scale)
}

const plainDecimal = /^[+-]?[\d.]+$/
const anyDecimal = /^\s*[+-]?[\d.]/

/**
 * Servers refuse what is too long, except where the excess is spaces: those they cut, and two keys would be one row.
 * @param maxLength in code points, null where there is none
 */
export function refuseExcess(text: string, maxLength: number | null): void {
  // There are never more code points than code units.
  if (maxLength === null || text.length <= maxLength) return
  const length = [...text].length
  if (length <= maxLength) return
  throw new RangeError(
    `the text has ${length} characters and the column takes ${maxLength}: declare the column longer (or as text), ` +
      'or shorten the value in the job',
  )
}

/** A moment between the steps of its column. */
export function refuseFinerMoment(value: ColumnValue, { stepMs }: Pick<ColumnHolds, 'stepMs'>): void {
  if (stepMs <= 1 || !(value instanceof Date) || value.getTime() % stepMs === 0) return
  throw new RangeError(
    `${value.toISOString()} has a fraction that the column does not keep (its step is ${stepMs} ms): declare more digits, ` +
      'or round the value in the job',
  )
}
