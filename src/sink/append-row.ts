import { describeValue, excerpt } from '../model/excerpt.ts'

/**
 * Checks a value that is to become one row: an object whose own fields are all column values.
 * @param otherColumns whether the row has columns besides its fields
 * @throws Error that names the field and says why
 */
export function checkAppendRow(row: unknown, otherColumns: boolean): void {
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
  for (const field of fields) {
    const value = (row as Record<string, unknown>)[field]
    if (!isColumnValue(value)) {
      throw new Error(
        `field ${excerpt(field)} is ${describeValue(value)}, which is no column value (string, finite number, bigint, ` +
          'boolean, valid Date, Uint8Array, null or undefined): turn it into one with map()',
      )
    }
  }
}

function isColumnValue(value: unknown): boolean {
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
