import { OncesinkError } from '../errors.ts'
import { isField } from '../fields/builders.ts'
import type { Field, ValueOf } from '../fields/field.ts'
import { describeValue } from '../model/excerpt.ts'
import { isPlainObject } from '../model/plain-object.ts'
import type { Decoder } from './decoder.ts'
import { fieldReader, type ReadField } from './field-reader.ts'
import { parseJson } from './json-text.ts'
import { pathText } from './path-text.ts'
import { hasLongNumber, withRawNumbers } from './raw-numbers.ts'
import { RecordScanner } from './scan/record-scanner.ts'
import { scannedReader } from './scan/scanned-reader.ts'
import { type FieldAccess, withShortCuts } from './short-cuts.ts'
import { NoBytes } from './utf8.ts'

export type FieldMap = Readonly<Record<string, Field<unknown>>>

/** What `fields(...)` makes of a record. */
export type FieldsOf<F extends FieldMap> = { readonly [P in keyof F]: ValueOf<F[P]> }

/** A decoder that knows what its fields are. */
export interface FieldsDecoder<F extends FieldMap> extends Decoder<FieldsOf<F>> {
  readonly fields: F
}

export interface FieldPlan {
  readonly name: string
  readonly field: Field<unknown>
  readonly path: readonly string[]
  readonly optional: boolean
  readonly read: ReadField
}

/**
 * Values are JSON objects, of which the job gets just these fields, checked and of the types that they are declared
 * with; whatever else a record holds is left alone.
 *
 * A record fails when it has no value (a tombstone), is not UTF-8 or not a JSON object; and when a field is missing or null
 * that is not `optional(...)`, or is not what its declaration says. The error names field, path and what was found. No
 * number is ever rounded, except in a `double()`. Of several fields with one name the last one counts.
 *
 * @throws OncesinkError CONFIGURATION_INVALID for no fields, or something that is none
 */
export function fields<const F extends FieldMap>(declared: F): FieldsDecoder<F> {
  const plans = plansOf(declared)
  const scanner = new RecordScanner(plans.map(({ path }) => path))
  const readScanned = plans.map(({ optional, read }) => scannedReader(optional, read))
  const access: FieldAccess = {
    scanner,
    read: (found, slot) => readScanned[slot]?.(found, slot),
    parse(buffer, start, end) {
      if (end === -1) throw new NoBytes()
      return parsedRow(plans, buffer, start, end)
    },
    fields: plans.map(({ name, field }) => ({ name, field })),
  }

  /** Null where only the long way says what becomes of the record. */
  function scannedRow(buffer: Buffer, start: number, end: number): Record<string, unknown> | null {
    const found = scanner.scan(buffer, start, end)
    if (found === null) return null
    const row: Record<string, unknown> = {}
    for (let slot = 0; slot < plans.length; slot++) {
      const value = readScanned[slot]?.(found, slot)
      if (value === undefined) return null
      row[(plans[slot] as FieldPlan).name] = value
    }
    return row
  }

  const decoder: FieldsDecoder<F> = {
    name: 'fields',
    fields: Object.freeze({ ...declared }),
    decode(buffer, start, end) {
      if (end === -1) throw new NoBytes()
      return (scannedRow(buffer, start, end) ?? parsedRow(plans, buffer, start, end)) as FieldsOf<F>
    },
  }
  return withShortCuts(decoder, { access })
}

/** What `fields` mean: scanning gives the same row, or none. */
export function parsedRow(
  plans: readonly FieldPlan[],
  buffer: Buffer,
  start: number,
  end: number,
): Record<string, unknown> {
  const { text, value } = parseJson(buffer, start, end)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`the value is ${describeValue(value)}, but fields are read from a JSON object`)
  }
  const raw = hasLongNumber(text) ? withRawNumbers(text) : null
  const row: Record<string, unknown> = {}
  for (const plan of plans) row[plan.name] = readField(plan, value, raw)
  return row
}

function readField({ name, path, optional, read }: FieldPlan, record: object, raw: unknown): unknown {
  try {
    const value = valueAt(record, path)
    if (value !== undefined && value !== null) return read(value, raw === null ? null : valueAt(raw, path))
    if (optional) return null
    throw new Error(
      `it is ${value === null ? 'null' : 'missing'}: declare it optional(...), or mend the producer`,
    )
  } catch (error) {
    const where = path.length === 1 && path[0] === name ? '' : ` (${pathText(path)})`
    throw new Error(`field '${name}'${where}: ${(error as Error).message}`, { cause: error })
  }
}

/** Undefined where nothing is. */
function valueAt(record: unknown, path: readonly string[]): unknown {
  let value = record
  for (const [depth, name] of path.entries()) {
    if (value === null || value === undefined) return undefined
    if (typeof value !== 'object') {
      throw new Error(`${pathText(path.slice(0, depth))} is ${describeValue(value)}, which has no fields`)
    }
    const found = Object.hasOwn(value, name) && !(Array.isArray(value) && name === 'length')
    value = found ? (value as Record<string, unknown>)[name] : undefined
  }
  return value
}

export function plansOf(declared: unknown): FieldPlan[] {
  if (!isPlainObject(declared)) {
    throw invalid(`needs an object with a field for each name, but got ${describeValue(declared)}`)
  }
  const plans = Object.entries(declared).map(([name, field]) => {
    if (name === '' || name === '__proto__') {
      throw invalid(`cannot use the name '${name}': give the field another one, and its path`)
    }
    if (!isField(field)) {
      throw invalid(`'${name}' must be a field such as text(), but is ${describeValue(field)}`)
    }
    return { name, field, path: field.path ?? [name], optional: field.optional, read: fieldReader(field) }
  })
  if (plans.length === 0) throw invalid('needs at least one field')
  return plans
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `fields() ${message}.`)
}
