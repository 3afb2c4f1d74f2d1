import { OncesinkError } from '../../errors.ts'
import type { ColumnValue } from '../../model/values.ts'
import type { ColumnHolds } from '../column-class.ts'
import { refuseDigitsBeyond, refuseExcess, refuseFinerMoment, refuseRoundedInteger } from '../exact-value.ts'

/** A half of a surrogate pair on its own: no Unicode character, so UTF-8 and the server have none for it. */
const loneSurrogate = /\p{Surrogate}/u

/**
 * A value as the text from which PostgreSQL reads it, in every column type that can hold it. Every write goes this
 * way (COPY, unnest arrays, parameters of user statements), so that one value is the same row by every path.
 * Throws a RangeError when the server has no such value.
 */
export function columnText(value: Exclude<ColumnValue, null>): string {
  switch (typeof value) {
    case 'string':
      if (value.includes('\0')) throw new RangeError('PostgreSQL text cannot hold the character NUL (U+0000)')
      if (loneSurrogate.test(value)) {
        throw new RangeError('the text has half a surrogate pair, which is no character and cannot be stored')
      }
      return value
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    default:
      if ('json' in value) return documentText(value.json)
      return value instanceof Date ? timestampText(value) : `\\x${Buffer.from(value).toString('hex')}`
  }
}

/** jsonb has no NUL; json keeps its escape, and fails when somebody reads the text. */
function documentText(json: string): string {
  if (!escapedNul.test(json)) return json
  throw new RangeError('a text in the document has the character NUL (U+0000), which PostgreSQL cannot hold')
}

const escapedNul = /(?<!\\)(?:\\\\)*\\u0000/

/**
 * A moment as ISO 8601 text in UTC. A `timestamptz` column takes the moment, a `timestamp` column its UTC wall time:
 * the process's time zone has no say, and no hour of a DST night is counted twice.
 */
export function timestampText(date: Date): string {
  if (Number.isNaN(date.getTime())) throw new RangeError('the date is invalid')
  const year = date.getUTCFullYear()
  // 1 BC is year 0, and years after 9999 have no sign.
  const era = year > 0 ? '' : ' BC'
  const yearText = String(year > 0 ? year : 1 - year).padStart(4, '0')
  return `${yearText}${date.toISOString().slice(-20)}${era}`
}

/** Where a value goes. */
export interface ValuePlace {
  readonly table: string
  readonly column: string
  readonly row: number
  readonly holds: ColumnHolds
}

/** {@link columnText} of one value of a row; a value that cannot be stored becomes ROWS_REJECTED with its place. */
export function columnTextOf(value: ColumnValue | undefined, at: ValuePlace): string | null {
  if (value === null) return null
  try {
    if (value === undefined) throw new RangeError('the value is undefined (write null for NULL)')
    const text = columnText(value)
    refuseChanged(value, text, at.holds)
    return text
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new OncesinkError(
      'ROWS_REJECTED',
      `column ${at.column} of row ${at.row} for ${at.table}: ${error.message}`,
      { cause: error },
    )
  }
}

/** Refuses what the server would round or cut, without an error. */
function refuseChanged(value: ColumnValue, text: string, holds: ColumnHolds): void {
  switch (holds.class) {
    case 'integer':
      refuseRoundedInteger(value)
      break
    case 'decimal':
      refuseRoundedInteger(value)
      refuseDigitsBeyond(holds.scale, text)
      break
    case 'instant':
    case 'local time':
      refuseFinerMoment(value, holds)
      break
    default:
      refuseExcess(text, holds.maxLength)
  }
}
