import type { MergeWrite } from '../dialect.ts'
import { insertInto, limitsOf, requireKeys, rowsVanished, sendRows } from './insert-rows.ts'
import { orderCheck, ROW_ALIAS, rowNames, updatesOf } from './merge-updates.ts'
import { rowLiterals } from './row-literals.ts'
import type { Session } from './session.ts'
import { columnOf, type TableCatalog } from './table-catalog.ts'

/**
 * Adds rows to a table by key: INSERT ... ON DUPLICATE KEY UPDATE.
 *
 * NULL is neutral in every rule: an aggregate that saw no value leaves the row's column as it is, and a NULL in the
 * row's column counts as not there (for `add`: as 0).
 */
export async function mergeRows(session: Session, tables: TableCatalog, write: MergeWrite): Promise<number> {
  const names = [...write.keys, ...write.aggregates.map((aggregate) => aggregate.column)]
  const table = await tables.resolve(write.table)
  const columns = names.map((name) => columnOf(table, write.table, name))
  requireKeys(table, write.table, write.keys)
  const updates = updatesOf(table, write, rowNames(table, tables.hasRowAlias))
  const frame = {
    table: write.table,
    before: insertInto(table, names),
    after: `${tables.hasRowAlias ? ` AS ${ROW_ALIAS}` : ''} ON DUPLICATE KEY UPDATE ${updates.join(', ')}`,
  }
  const checks = names.map((name) => orderCheck(table, write, name))
  let sent = 0
  try {
    for (const rows of rowLiterals({ ...write, columns, checks }, limitsOf(session, frame))) {
      const affected = await sendRows(session, frame, rows, {
        scope: 'sink',
        doing: `merge rows into ${write.table}`,
      })
      // An inserted row counts once, an updated one once or twice.
      if (affected < rows.rows) throw rowsVanished(write.table, rows.rows, affected)
      sent += rows.rows
    }
  } catch (error) {
    tables.forget(write.table)
    throw error
  }
  return sent
}
