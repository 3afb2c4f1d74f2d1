import type { FaultPoints } from '../../runtime/fault-points.ts'
import type { AppendWrite } from '../dialect.ts'
import { insertInto, limitsOf, rowsVanished, sendRows } from './insert-rows.ts'
import { rowLiterals } from './row-literals.ts'
import type { Session } from './session.ts'
import { columnOf, type TableCatalog } from './table-catalog.ts'

/**
 * Inserts rows by INSERT statements of many rows each. LOAD DATA LOCAL would be faster, and takes what does not fit
 * without an error.
 */
export async function appendRows(
  session: Session,
  tables: TableCatalog,
  faultPoints: FaultPoints,
  write: AppendWrite,
): Promise<number> {
  if (write.rows.length === 0) return 0
  const table = await tables.resolve(write.table)
  const columns = write.columns.map((name) => columnOf(table, write.table, name))
  const frame = { table: write.table, before: insertInto(table, write.columns), after: '' }
  let sent = 0
  try {
    for (const rows of rowLiterals({ ...write, columns }, limitsOf(session, frame))) {
      const affected = await sendRows(session, frame, rows, {
        scope: 'sink',
        doing: `append rows to ${write.table}`,
      })
      if (affected !== rows.rows) throw rowsVanished(write.table, rows.rows, affected)
      sent += rows.rows
      await faultPoints.reach('transaction.copying')
    }
  } catch (error) {
    tables.forget(write.table)
    throw error
  }
  return sent
}
