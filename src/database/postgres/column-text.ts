import { OncesinkError } from '../../errors.ts'
import type { ColumnValue } from '../../model/values.ts'

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
  /** The column's declared length in code points, null where it has none. */
  readonly maxLength: number | null
}

/** {@link columnText} of one value of a row; a value that cannot be stored becomes ROWS_REJECTED with its place. */
export function columnTextOf(value: ColumnValue | undefined, at: ValuePlace): string | null {
  if (value === null) return null
  try {
    if (value === undefined) throw new RangeError('the value is undefined (write null for NULL)')
    const text = columnText(value)
    checkLength(text, at.maxLength)
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

/**
 * The server refuses what is too long, except where the excess is spaces: those it cuts without a word, and two keys
 * would be one row.
 */
function checkLength(text: string, maxLength: number | null): void {
  // There are never more code points than code units.
  if (maxLength === null || text.length <= maxLength) return
  const length = [...text].length
  if (length <= maxLength) return
  throw new RangeError(
    `the text has ${length} characters and the column takes ${maxLength}: declare the column longer (or as text), ` +
      'or shorten the value in the job',
  )
}
