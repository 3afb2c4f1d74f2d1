import { OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import type { JsonArray, JsonObject } from '../model/json-value.ts'
import { isPlainObject, unknownFields } from '../model/plain-object.ts'
import type { Field, FieldKind } from './field.ts'

/** Most digits of a decimal, and most of them after the point, that every engine holds. */
const MAX_PRECISION = 65
const MAX_SCALE = 30

/** Longest text that can be declared, in characters: what a MySQL row takes at most in utf8mb4. */
const MAX_LENGTH = 16_383

export interface FieldOptions {
  /**
   * Where the value is in the record, from the outermost object inwards: `'customer.id'`, or `['customer', 'full.name']`
   * where a name has a dot. The default is the field's own name. Not for columns of `createTable`.
   */
  readonly path?: string | readonly [string, ...string[]]
}

export interface TextOptions extends FieldOptions {
  /** Most characters (Unicode code points), 1 to 16,383. The default is any number. */
  readonly maxLength?: number
}

export interface DecimalOptions extends FieldOptions {
  /** Most digits before and after the point together, 1 to 65 and at least the scale. The default is no limit. */
  readonly precision?: number
}

/**
 * Text.
 * @throws OncesinkError CONFIGURATION_INVALID for an unknown option or a `maxLength` out of range
 */
export function text(options: TextOptions = {}): Field<string> {
  const read = new FieldReader('text', options, ['maxLength', 'path'])
  return field('text', { path: read.path(), maxLength: read.integer('maxLength', 1, MAX_LENGTH) })
}

/**
 * A signed integer, in a column of 64 bits. It is read as a number, so a record fails whose integer is beyond
 * `Number.MAX_SAFE_INTEGER` (2^53 - 1).
 * @throws OncesinkError CONFIGURATION_INVALID for an unknown option
 */
export function integer(options: FieldOptions = {}): Field<number> {
  return field('integer', { path: new FieldReader('integer', options, ['path']).path() })
}

/**
 * An exact decimal with `scale` digits after the point, 0 to 30. It is read as a number, from a JSON number or a decimal
 * string. A record fails that has more digits after the point, or more digits than a number tells apart (about 15).
 * @throws OncesinkError CONFIGURATION_INVALID for an unknown option, or a scale or precision out of range
 */
export function decimal(scale: number, options: DecimalOptions = {}): Field<number> {
  if (!isIntegerBetween(scale, 0, MAX_SCALE)) {
    throw invalid(
      `decimal(): the scale must be an integer from 0 to ${MAX_SCALE}, but is ${describeValue(scale)}`,
    )
  }
  const read = new FieldReader('decimal', options, ['precision', 'path'])
  const precision = read.integer('precision', Math.max(1, scale), MAX_PRECISION)
  return field('decimal', { path: read.path(), scale, precision })
}

/**
 * A double. More digits than it holds are rounded to the nearest one, as doubles are.
 * @throws OncesinkError CONFIGURATION_INVALID for an unknown option
 */
export function double(options: FieldOptions = {}): Field<number> {
  return field('double', { path: new FieldReader('double', options, ['path']).path() })
}

/**
 * True or false.
 * @throws OncesinkError CONFIGURATION_INVALID for an unknown option
 */
export function boolean(options: FieldOptions = {}): Field<boolean> {
  return field('boolean', { path: new FieldReader('boolean', options, ['path']).path() })
}

/**
 * A moment, read as a Date from an ISO 8601 string with `Z` or an offset (a date alone is UTC) or from a number of
 * milliseconds since 1970. Fractions of a millisecond are cut off, towards the past.
 * @throws OncesinkError CONFIGURATION_INVALID for an unknown option
 */
export function timestamp(options: FieldOptions = {}): Field<Date> {
  return field('timestamp', { path: new FieldReader('timestamp', options, ['path']).path() })
}

/**
 * Bytes, read from a base64 string (RFC 4648 section 4, with padding).
 * @throws OncesinkError CONFIGURATION_INVALID for an unknown option
 */
export function binary(options: FieldOptions = {}): Field<Uint8Array> {
  return field('binary', { path: new FieldReader('binary', options, ['path']).path() })
}

/**
 * A JSON object or array. `T` is a claim about what is in it, which nothing checks.
 * @throws OncesinkError CONFIGURATION_INVALID for an unknown option
 */
export function document<T extends object = JsonObject | JsonArray>(
  options: FieldOptions = {},
): Field<NoInfer<T>> {
  return field('document', { path: new FieldReader('document', options, ['path']).path() })
}

/** The same field, whose value may be missing or null; it is then null. */
export function optional<T>(inner: Field<T>): Field<T | null> {
  if (!isField(inner)) {
    throw invalid(`optional() needs a field such as text(), but got ${describeValue(inner)}`)
  }
  return Object.freeze({ ...inner, optional: true })
}

/** Whether `value` was made by one of these functions. */
export function isField(value: unknown): value is Field<unknown> {
  return typeof value === 'object' && value !== null && made.has((value as Field<unknown>).kind)
}

const made: ReadonlySet<unknown> = new Set<FieldKind>([
  'text',
  'integer',
  'decimal',
  'double',
  'boolean',
  'timestamp',
  'binary',
  'document',
])

function field<T>(
  kind: FieldKind,
  facts: Pick<Field<T>, 'path'> & Partial<Pick<Field<T>, 'maxLength' | 'scale' | 'precision'>>,
): Field<T> {
  return Object.freeze({ kind, optional: false, maxLength: null, scale: null, precision: null, ...facts })
}

/** Reads and checks the options of one builder. */
class FieldReader {
  readonly #builder: string
  readonly #options: Readonly<Record<string, unknown>>

  constructor(builder: FieldKind, options: unknown, known: readonly string[]) {
    this.#builder = builder
    if (!isPlainObject(options))
      throw this.#invalid(`needs an options object, but got ${describeValue(options)}`)
    const [unknown] = unknownFields(options, known)
    if (unknown !== undefined) {
      throw this.#invalid(`has no option '${unknown}': its options are ${known.join(', ')}`)
    }
    this.#options = options
  }

  path(): readonly string[] | null {
    const { path } = this.#options
    if (path === undefined) return null
    const names: unknown = typeof path === 'string' ? path.split('.') : path
    if (Array.isArray(names) && names.length > 0 && names.every(isName)) return Object.freeze([...names])
    throw this.#invalid(
      `'path' must be names separated by dots, or an array of names, but is ${describeValue(path)}`,
    )
  }

  integer(option: string, least: number, most: number): number | null {
    const value = this.#options[option]
    if (value === undefined) return null
    if (isIntegerBetween(value, least, most)) return value
    throw this.#invalid(
      `'${option}' must be an integer from ${least} to ${most}, but is ${describeValue(value)}`,
    )
  }

  #invalid(message: string): OncesinkError {
    return invalid(`${this.#builder}(): ${message}`)
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isIntegerBetween(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `${message}.`)
}
