import { OncesinkError } from '../../errors.ts'
import type { ColumnValue } from '../../model/values.ts'
import type { ColumnHolds } from '../column-class.ts'
import { refuseExcess, refuseRoundedInteger } from '../exact-value.ts'
import { decimalLiteral, doubleLiteral, integerLiteral } from '../number-text.ts'
import { dayText, momentText } from './moment-text.ts'

/** A half of a surrogate pair on its own: no Unicode character, so UTF-8 and the server have none for it. */
const loneSurrogate = /\p{Surrogate}/u
/** What a quoted literal does not hold in the same way under every sql_mode (NO_BACKSLASH_ESCAPES). */
const needsHexadecimal = /[\\\0]/

type Value = Exclude<ColumnValue, null>

/**
 * A value as an SQL literal for a column of this class, so that the column holds exactly this value. Even in strict
 * mode the server rounds, cuts or converts much with a note, or without a word: a fraction for an integer, digits
 * after the scale, fractions of a second, spaces at the end. What would be changed is refused here.
 * Throws a RangeError when the column cannot hold the value.
 */
export function columnLiteral(value: Value, holds: ColumnHolds): string {
  switch (holds.class) {
    case 'integer':
      return integerLiteral(exactNumberText(value))
    case 'boolean':
      return integerLiteral(booleanText(value))
    case 'decimal':
      return decimalLiteral(exactNumberText(value), holds.scale)
    case 'double':
    case 'single':
      return doubleLiteral(numberText(value))
    case 'instant':
      return `'${momentText(momentOf(value), holds.stepMs)}'`
    case 'date':
      return `'${dayText(momentOf(value))}'`
    case 'binary text':
    case 'bytes':
      return value instanceof Uint8Array ? bytesLiteral(value) : textLiteral(plainText(value))
    case 'other':
      return otherLiteral(value)
    default: {
      const text = plainText(value)
      refuseExcess(text, holds.maxLength)
      return textLiteral(text)
    }
  }
}

/** Text as a literal of the character set utf8mb4, whatever the session's sql_mode. */
export function textLiteral(text: string): string {
  if (loneSurrogate.test(text)) {
    throw new RangeError('the text has half a surrogate pair, which is no character and cannot be stored')
  }
  if (needsHexadecimal.test(text)) return `_utf8mb4 X'${Buffer.from(text).toString('hex')}'`
  return `'${text.replaceAll("'", "''")}'`
}

function bytesLiteral(bytes: Uint8Array): string {
  return `X'${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}'`
}

/** As it is written into a column of text, on every engine. */
function plainText(value: Value): string {
  if (value instanceof Uint8Array)
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value)
  if (typeof value === 'object' && 'json' in value) return value.json
  if (!(value instanceof Date)) return String(value)
  if (Number.isNaN(value.getTime())) throw new RangeError('the date is invalid')
  return value.toISOString()
}

function numberText(value: Value): string {
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (typeof value === 'object')
    throw new RangeError(`${describe(value)} is no number, and the column keeps numbers`)
  return String(value)
}

function exactNumberText(value: Value): string {
  refuseRoundedInteger(value)
  return numberText(value)
}

const booleans: Readonly<Record<string, string>> = { t: '1', true: '1', f: '0', false: '0' }

function booleanText(value: Value): string {
  const text = numberText(value)
  return (typeof value === 'string' ? booleans[value.trim().toLowerCase()] : undefined) ?? text
}

function momentOf(value: Value): string | Date {
  if (typeof value === 'string' || value instanceof Date) return value
  throw new RangeError(
    `${describe(value)} is no point in time: give a Date, or text such as 2026-01-31T12:00:00Z`,
  )
}

/** For types that nothing is known of, in the notation that they are most likely to read. */
function otherLiteral(value: Value): string {
  if (typeof value === 'string') return textLiteral(value)
  if (value instanceof Uint8Array) return bytesLiteral(value)
  if (value instanceof Date) return `'${momentText(value, 0.001)}'`
  return typeof value === 'number' && !Number.isInteger(value)
    ? doubleLiteral(String(value))
    : decimalLiteral(numberText(value), null)
}

function describe(value: Value): string {
  return value instanceof Date ? 'a Date' : value instanceof Uint8Array ? 'bytes' : `${typeof value} ${value}`
}

/** Where a value goes. */
export interface ValuePlace {
  readonly table: string
  readonly column: string
  readonly row: number
  readonly holds: ColumnHolds
}

/** {@link columnLiteral} of one value of a row; a value that cannot be stored becomes ROWS_REJECTED with its place. */
export function columnLiteralOf(value: ColumnValue | undefined, at: ValuePlace): string {
  if (value === null) return 'NULL'
  try {
    if (value === undefined) throw new RangeError('the value is undefined (write null for NULL)')
    return columnLiteral(value, at.holds)
  } catch (error) {
    // A TypeError is the decoder's word for bytes that are no text.
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error
    throw rejected(`column ${at.column} of row ${at.row} for ${at.table}: ${error.message}`, error)
  }
}

function rejected(message: string, cause: Error): OncesinkError {
  return new OncesinkError('ROWS_REJECTED', message, { cause })
}
