import type { ColumnHolds } from '../database/column-class.ts'
import type { ColumnValue } from '../model/values.ts'
import { canonicalDecimal, roundDecimal } from './decimal.ts'

/*
 * One canonical text per value and class of column, so that what a job computed and what a server answers can be
 * compared as strings: '19.50' and 19.5 in a numeric column, an instant in any offset, t and true and 1.
 */

export interface Canonical {
  /** From the text of a column as the server gives it. */
  readonly fromText: (text: string) => string
  /** From a value on its way into the column. */
  readonly fromValue: (value: Exclude<ColumnValue, null>) => string
}

/** What NULL is compared as; no value's canonical text begins with a NUL character. */
export const NULL_TEXT = '\0null'

/**
 * How values of a column are compared.
 * @returns null for a class whose text forms are not known: such a column is named, and not compared
 */
export function canonicalFor(column: Pick<ColumnHolds, 'class' | 'scale'>): Canonical | null {
  switch (column.class) {
    case 'boolean':
      return booleans
    case 'integer':
    case 'decimal':
      return exactNumber(column.scale)
    case 'double':
      return float((x) => x)
    case 'single':
      return float(Math.fround)
    case 'instant':
    case 'local time':
      return timestamps
    case 'date':
      return dates
    case 'uuid':
      return both((text) => text.toLowerCase())
    case 'padded text':
      return both((text) => text.replace(/ +$/, ''))
    case 'text':
    case 'folded text':
    case 'narrow text':
      return both((text) => text)
    case 'bytes':
    case 'binary text':
      return binary
    case 'document':
      return documents
    default:
      return null
  }
}

/** The text in which a value travels to the server. */
function wireText(value: Exclude<ColumnValue, null>): string {
  if (typeof value === 'object' && 'json' in value) return value.json
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  return String(value)
}

function both(canonical: (text: string) => string): Canonical {
  return { fromText: canonical, fromValue: (value) => canonical(wireText(value)) }
}

const trueTexts = new Set(['t', 'true', '1'])
const falseTexts = new Set(['f', 'false', '0'])
const booleans = both((text) => {
  const lower = text.toLowerCase()
  if (trueTexts.has(lower)) return 'true'
  return falseTexts.has(lower) ? 'false' : lower
})

/** By value: names sorted, numbers as doubles, of names that occur twice the last one. What is no JSON stays as it is. */
const documents = both((text) => {
  try {
    return JSON.stringify(sorted(JSON.parse(text)))
  } catch {
    return text
  }
})

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  // As a list, because an object would put names that look like numbers first.
  return { object: entries.map(([name, inner]) => [name, sorted(inner)]) }
}

/**
 * Exact decimals, compared by value. What the job computed is rounded to the column's scale as the server does it
 * (half away from zero); what the server holds is taken as it is.
 */
function exactNumber(scale: number | null): Canonical {
  const fromValue = (value: Exclude<ColumnValue, null>) => {
    const text = typeof value === 'boolean' ? String(Number(value)) : wireText(value)
    return canonicalDecimal(scale === null ? text : roundDecimal(text, scale))
  }
  return { fromText: canonicalDecimal, fromValue }
}

function float(round: (x: number) => number): Canonical {
  return both((text) => {
    const x = round(Number(text))
    return Number.isNaN(x) && text.toLowerCase() !== 'nan' ? text : String(x === 0 ? 0 : x)
  })
}

const TIMESTAMP =
  /^(\d{4,6})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*(Z|[+-]\d\d(?::?\d\d)?(?::?\d\d)?)?( BC)?$/i

/** Microseconds since 1970 of a timestamp text; one without an offset is UTC. Null when it is no timestamp. */
export function epochMicros(text: string): bigint | null {
  const match = TIMESTAMP.exec(text.trim())
  if (!match) return null
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset = 'Z', era] = match
  const at = new Date(0)
  at.setUTCFullYear(era ? 1 - Number(year) : Number(year), Number(month) - 1, Number(day))
  const ms = at.setUTCHours(Number(hour), Number(minute), Number(second))
  const offsetDigits = offset.slice(1).replaceAll(':', '').padEnd(6, '0')
  const offsetSeconds =
    Number(offsetDigits.slice(0, 2)) * 3600 +
    Number(offsetDigits.slice(2, 4)) * 60 +
    Number(offsetDigits.slice(4, 6))
  const shift = offset.toUpperCase() === 'Z' ? 0 : offset.startsWith('-') ? offsetSeconds : -offsetSeconds
  // Columns keep microseconds and round what is finer.
  const nanos = BigInt(fraction.padEnd(9, '0'))
  return BigInt(ms + shift * 1000) * 1000n + (nanos + 500n) / 1000n
}

/** ISO text in UTC with up to six digits of a second, none of them a trailing zero. */
function instantText(micros: bigint): string {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const second = new Date(Number((micros - rest) / 1000n)).toISOString().slice(0, -5)
  const fraction = String(rest).padStart(6, '0').replace(/0+$/, '')
  return `${second}${fraction === '' ? '' : `.${fraction}`}Z`
}

const timestampText = (text: string) => {
  const micros = epochMicros(text)
  return micros === null ? text : instantText(micros)
}
const timestamps: Canonical = {
  fromText: timestampText,
  fromValue: (value) =>
    value instanceof Date ? instantText(BigInt(value.getTime()) * 1000n) : timestampText(wireText(value)),
}

const dates = both((text) => (epochMicros(text) === null ? text : text.trim().slice(0, 10)))

const binary: Canonical = {
  fromText: (text) => text.replace(/^(\\x|0x)/i, '').toLowerCase(),
  fromValue: (value) =>
    value instanceof Uint8Array
      ? Buffer.from(value).toString('hex')
      : Buffer.from(wireText(value)).toString('hex'),
}
