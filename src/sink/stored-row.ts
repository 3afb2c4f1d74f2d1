import { describeValue, excerpt } from '../model/excerpt.ts'
import type { ColumnValue } from '../model/values.ts'
import { documentText } from './document-text.ts'

/** A row as a sink keeps it until the commit: its own fields, all of them column values. */
export type StoredRow = Readonly<Record<string, ColumnValue | undefined>>

/**
 * A value that is to become one row: an object whose own fields are column values, or objects and arrays of JSON.
 * These are turned into their text here, so that nothing of them can change any more.
 * @param otherColumns whether the row has columns besides its fields
 * @returns the value itself where it holds no JSON
 * @throws Error that names the field and says why
 */
export function storedRow(row: unknown, otherColumns: boolean): StoredRow {
  if (
    typeof row !== 'object' ||
    row === null ||
    Array.isArray(row) ||
    row instanceof Date ||
    ArrayBuffer.isView(row)
  ) {
    throw new Error(`a row is an object with a field per column, but got ${describeValue(row)}`)
  }
  const fields = Object.keys(row)
  if (fields.length === 0 && !otherColumns) throw new Error('the row has no fields')
  let copy: Record<string, ColumnValue | undefined> | null = null
  for (const field of fields) {
    const value = (row as Record<string, unknown>)[field]
    if (isColumnValue(value)) continue
    copy ??= withOwnFields(row as StoredRow)
    copy[field] = storedDocument(`field ${excerpt(field)}`, value)
  }
  return copy ?? (row as StoredRow)
}

/** A copy that has no prototype: assigning to a field named `__proto__` makes a field. */
function withOwnFields(row: StoredRow): Record<string, ColumnValue | undefined> {
  return Object.assign(Object.create(null), row)
}

/**
 * One value on its way into a column; undefined as null.
 * @throws Error that begins with `where`
 */
export function storedValue(where: string, value: unknown): ColumnValue {
  if (!isColumnValue(value)) return storedDocument(where, value)
  if (value instanceof Uint8Array) return new Uint8Array(value)
  return value instanceof Date ? new Date(value.getTime()) : (value ?? null)
}

function storedDocument(where: string, value: unknown): ColumnValue {
  if (typeof value !== 'object' || value instanceof Date) {
    throw new Error(
      `${where} is ${describeValue(value)}, which is no column value (string, finite number, bigint, boolean, valid ` +
        'Date, Uint8Array, null, undefined, or an object or array of JSON): turn it into one with map()',
    )
  }
  try {
    return { json: documentText(value) }
  } catch (error) {
    throw new Error(`${where} is no JSON: ${(error as Error).message}`, { cause: error })
  }
}

function isColumnValue(
  value: unknown,
): value is Exclude<ColumnValue, object> | Uint8Array | Date | undefined {
  switch (typeof value) {
    case 'string':
    case 'bigint':
    case 'boolean':
    case 'undefined':
      return true
    case 'number':
      return Number.isFinite(value)
    case 'object':
      if (value === null || value instanceof Uint8Array) return true
      return value instanceof Date && !Number.isNaN(value.getTime())
    default:
      return false
  }
}
