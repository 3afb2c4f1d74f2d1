import { decimalText, scaledReader } from '../aggregation/decimal.ts'
import type { ExactInteger } from '../aggregation/exact-integer.ts'
import { timestampMs } from '../aggregation/timestamp.ts'
import type { Field } from '../fields/field.ts'
import { describeValue, excerpt } from '../model/excerpt.ts'
import { refuseInexact } from './json.ts'
import { isExact } from './raw-numbers.ts'

/**
 * What the job gets for a JSON value that is not null.
 * @param raw the same value with its numbers as they are written; null where every number is held exactly
 * @throws Error that says what was expected and what was found
 */
export type ReadField = (value: unknown, raw: unknown) => unknown

/** The reader for values of `field`. */
export function fieldReader(field: Field<unknown>): ReadField {
  switch (field.kind) {
    case 'text':
      return textReader(field.maxLength)
    case 'integer':
      return readInteger
    case 'decimal':
      return decimalReader(field.scale ?? 0, field.precision)
    case 'double':
      return readDouble
    case 'boolean':
      return readBoolean
    case 'timestamp':
      return readTimestamp
    case 'binary':
      return readBinary
    case 'document':
      return readDocument
  }
}

function textReader(maxLength: number | null): ReadField {
  return (value) => {
    if (typeof value !== 'string') throw expected('text', value)
    if (!(value as string & { isWellFormed(): boolean }).isWellFormed()) {
      throw new Error(`${describeValue(value)} has half a surrogate pair, which UTF-8 cannot hold`)
    }
    // There are never more code points than code units.
    if (maxLength !== null && value.length > maxLength) {
      const length = [...value].length
      if (length > maxLength) {
        throw new Error(`${describeValue(value)} has ${length} characters, and its maxLength is ${maxLength}`)
      }
    }
    return value
  }
}

function readInteger(value: unknown, raw: unknown): number {
  if (typeof value !== 'number') throw expected('an integer', value)
  const written = raw === null ? String(value) : String(raw)
  if (!Number.isInteger(value)) throw new Error(`expected an integer, but got ${number(written)}`)
  if (Number.isSafeInteger(value) && (raw === null || isExact(written))) return value + 0
  throw new Error(
    `${number(written)} is not an integer that a number holds exactly (2^53 - 1 at most): produce it as text`,
  )
}

function decimalReader(scale: number, precision: number | null): ReadField {
  const read = scaledReader(scale)
  return (value, raw) => {
    if (typeof value !== 'number' && typeof value !== 'string') throw expected('a decimal', value)
    const scaled = read(typeof value === 'number' && raw !== null ? String(raw) : value)
    if (precision !== null && String(scaled).replace('-', '').length > precision) {
      throw new Error(`${decimalText(scaled, scale)} has more than ${precision} digits (the precision)`)
    }
    // Exact where the scaled integer has 15 digits; of those with 16 not all have a number of their own.
    const result = scaledDown(scaled, scale)
    if (typeof scaled === 'number' && (Math.abs(scaled) < 1e15 || read(String(result)) === scaled))
      return result + 0
    throw new Error(
      `${decimalText(scaled, scale)} has more digits than a number holds exactly: produce it as text, and add it up with sumDecimal`,
    )
  }
}

/** The double nearest to `scaled / 10^scale`. Powers of ten up to 10^22 are doubles, so that one division is exact enough. */
function scaledDown(scaled: ExactInteger, scale: number): number {
  if (typeof scaled === 'number' && scale <= 22) return scaled / 10 ** scale
  return Number(decimalText(scaled, scale))
}

function readDouble(value: unknown, raw: unknown): number {
  if (typeof value !== 'number') throw expected('a number', value)
  if (Number.isFinite(value)) return value
  throw new Error(`${number(String(raw ?? value))} is larger than a double can be`)
}

function readBoolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw expected('true or false', value)
}

function readTimestamp(value: unknown): Date {
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw expected('an ISO 8601 time or milliseconds since 1970', value)
  }
  return new Date(timestampMs(value))
}

function readBinary(value: unknown): Uint8Array {
  if (typeof value !== 'string') throw expected('base64', value)
  // Node reads whatever looks like base64, and skips the rest.
  const bytes = Buffer.from(value, 'base64')
  if (bytes.toString('base64') === value) return new Uint8Array(bytes)
  throw new Error(`expected base64 with padding, but got ${describeValue(value)}`)
}

function readDocument(value: unknown, raw: unknown): unknown {
  if (typeof value !== 'object') throw expected('a JSON object or array', value)
  if (raw !== null) refuseInexact(value, raw)
  return value
}

function expected(what: string, got: unknown): Error {
  return new Error(`expected ${what}, but got ${describeValue(got)}`)
}

function number(written: string): string {
  return `the number ${excerpt(written).slice(1, -1)}`
}
