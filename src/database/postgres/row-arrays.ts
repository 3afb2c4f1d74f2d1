import { invariant } from '../../errors.ts'
import type { ColumnValue } from '../../model/values.ts'
import { columnTextOf } from './column-text.ts'
import { columnType, type ResolvedTable } from './table-catalog.ts'

/*
 * Values travel as one array of text per column, from which the server reads arrays of the column's type. It reads
 * them without a length, so that no cast cuts what is too long; see also columnTextOf.
 */

/** One statement takes rows up to both limits: enough to make round trips cheap, little enough to keep in memory. */
const MAX_ROWS = 10_000
const MAX_CHARACTERS = 4 * 1024 * 1024

/** How SQL makes rows `v` of the parameters, one array per column, and what it selects to have the columns' types. */
export function arraysAsRows(
  table: ResolvedTable,
  name: string,
  columns: readonly string[],
): { from: string; selected: string[] } {
  const types = columns.map((column) => columnType(table, name, column))
  const arrays = types.map((type, i) => `$${i + 1}::${type.hasArray ? type.name : 'text'}[]`)
  const names = columns.map((_, i) => `c${i}`)
  return {
    from: `unnest(${arrays.join(', ')}) AS v(${names.join(', ')})`,
    selected: types.map((type, i) => (type.hasArray ? `v.c${i}` : `v.c${i}::${type.name}`)),
  }
}

export interface RowArrays {
  readonly rows: number
  /** One array per column. */
  readonly values: (string | null)[][]
}

/**
 * The rows in order, cut at the limits and turned into one array per column.
 * @param checks one per column, which throws for a value that must not be sent
 * @throws OncesinkError ROWS_REJECTED for a value that PostgreSQL has no text for
 */
export function* rowArrays(
  table: ResolvedTable,
  write: { readonly table: string },
  columns: readonly string[],
  rows: readonly (readonly ColumnValue[])[],
  checks: readonly (((value: ColumnValue | undefined) => void) | null)[] = [],
): Generator<RowArrays> {
  // One for all rows: an object for every value took a third of the time.
  const places = columns.map((column) => {
    const { holds } = columnType(table, write.table, column)
    return { table: write.table, column, row: 0, holds }
  })
  let values: (string | null)[][] = columns.map(() => [])
  let taken = 0
  let characters = 0
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] as readonly ColumnValue[]
    if (row.length !== columns.length) invariant(false, `a row for ${write.table} has ${row.length} values`)
    for (let i = 0; i < places.length; i++) {
      const place = places[i] as (typeof places)[number]
      place.row = index
      checks[i]?.(row[i])
      const text = columnTextOf(row[i], place)
      values[i]?.push(text)
      characters += text?.length ?? 0
    }
    taken += 1
    if (taken >= MAX_ROWS || characters >= MAX_CHARACTERS) {
      yield { rows: taken, values }
      values = columns.map(() => [])
      taken = 0
      characters = 0
    }
  }
  if (taken > 0) yield { rows: taken, values }
}
