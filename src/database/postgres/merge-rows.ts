import { OncesinkError } from '../../errors.ts'
import type { MergeWrite } from '../dialect.ts'
import { quoteIdentifier } from './identifiers.ts'
import { orderCheck, updatesOf } from './merge-updates.ts'
import { arraysAsRows, rowArrays } from './row-arrays.ts'
import type { Session } from './session.ts'
import type { ResolvedTable, TableCatalog } from './table-catalog.ts'

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
  const checks = columns.map((column) => orderCheck(table, write, column))
  const sql = mergeStatement(table, write, columns)
  let sent = 0
  try {
    for (const chunk of rowArrays(table, write, columns, write.rows, checks)) {
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

function mergeStatement(table: ResolvedTable, write: MergeWrite, columns: readonly string[]): string {
  const { from, selected } = arraysAsRows(table, write.table, columns)
  return `INSERT INTO ${table.qualifiedName} AS t (${columns.map(quoteIdentifier).join(', ')})
    SELECT ${selected.join(', ')} FROM ${from}
    ON CONFLICT (${write.keys.map(quoteIdentifier).join(', ')}) DO UPDATE SET ${updatesOf(table, write).join(', ')}`
}
