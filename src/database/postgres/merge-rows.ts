import { invariant, OncesinkError } from '../../errors.ts'
import type { MergeWrite } from '../dialect.ts'
import { columnTextOf } from './column-text.ts'
import { quoteIdentifier } from './identifiers.ts'
import { orderCheck, updatesOf } from './merge-updates.ts'
import type { Session } from './session.ts'
import { columnType, type ResolvedTable, type TableCatalog } from './table-catalog.ts'

/** One statement takes rows up to both limits: enough to make round trips cheap, little enough to keep in memory. */
const MERGE_MAX_ROWS = 10_000
const MERGE_MAX_CHARACTERS = 4 * 1024 * 1024

/**
 * Adds rows to a table by key: INSERT ... ON CONFLICT (keys) DO UPDATE.
 *
 * NULL is neutral in every rule: an aggregate that saw no value leaves the row's column as it is, and a NULL in the
 * row's column counts as not there (for `add`: as 0).
 */
export async function mergeRows(session: Session, tables: TableCatalog, write: MergeWrite): Promise<number> {
  const columns = [...write.keys, ...write.aggregates.map((aggregate) => aggregate.column)]
  const purpose = { scope: 'sink', doing: `merge rows into ${write.table}` } as const
  const table = await tables.resolve(write.table)
  const lengths = columns.map((column) => columnType(table, write.table, column).maxLength)
  const sql = mergeStatement(table, write, columns)
  let sent = 0
  try {
    for (const chunk of chunks(table, write, columns, lengths)) {
      const { rowCount } = await session.query(sql, chunk.values, purpose)
      if (rowCount !== chunk.rows) throw rowsVanished(write.table, chunk.rows, rowCount)
      sent += chunk.rows
    }
  } catch (error) {
    tables.forget(write.table)
    throw error
  }
  return sent
}

/** The server accepted fewer rows than it was sent, and without an error. */
export function rowsVanished(table: string, sent: number, taken: number | null): OncesinkError {
  return new OncesinkError(
    'DATABASE_REFUSED',
    `${table} took ${taken} of ${sent} rows without an error. A trigger, a rule or row-level security drops rows: ` +
      'remove it from this table, or the counts will not be right.',
  )
}

/**
 * Values travel as one array of text per column, from which the server reads arrays of the column's type. It reads
 * them without a length, so that no cast cuts what is too long; see also columnTextOf.
 */
function mergeStatement(table: ResolvedTable, write: MergeWrite, columns: readonly string[]): string {
  const types = columns.map((column) => columnType(table, write.table, column))
  const arrays = types.map(({ name, hasArray }, i) => `$${i + 1}::${hasArray ? name : 'text'}[]`)
  const values = types.map(({ name, hasArray }, i) => (hasArray ? `v.c${i}` : `v.c${i}::${name}`))
  const names = columns.map((_, i) => `c${i}`).join(', ')
  return `INSERT INTO ${table.qualifiedName} AS t (${columns.map(quoteIdentifier).join(', ')})
    SELECT ${values.join(', ')} FROM unnest(${arrays.join(', ')}) AS v(${names})
    ON CONFLICT (${write.keys.map(quoteIdentifier).join(', ')}) DO UPDATE SET ${updatesOf(table, write).join(', ')}`
}

/** The rows in order, cut at the limits and turned into one array per column. */
function* chunks(
  table: ResolvedTable,
  write: MergeWrite,
  columns: readonly string[],
  lengths: readonly (number | null)[],
): Generator<{ rows: number; values: (string | null)[][] }> {
  const checks = columns.map((column) => orderCheck(table, write, column))
  let values: (string | null)[][] = columns.map(() => [])
  let rows = 0
  let characters = 0
  for (const [index, row] of write.rows.entries()) {
    invariant(row.length === columns.length, `a row for ${write.table} has ${row.length} values`)
    for (const [i, column] of columns.entries()) {
      checks[i]?.(row[i])
      const text = columnTextOf(row[i], {
        table: write.table,
        column,
        row: index,
        maxLength: lengths[i] ?? null,
      })
      values[i]?.push(text)
      characters += text?.length ?? 0
    }
    rows += 1
    if (rows >= MERGE_MAX_ROWS || characters >= MERGE_MAX_CHARACTERS) {
      yield { rows, values }
      values = columns.map(() => [])
      rows = 0
      characters = 0
    }
  }
  if (rows > 0) yield { rows, values }
}
