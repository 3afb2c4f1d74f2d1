import { rowTextValues } from '../../model/row-text.ts'
import type { FaultPoints } from '../../runtime/fault-points.ts'
import type { AppendTextWrite } from '../dialect.ts'
import { appendRows } from './append-rows.ts'
import type { Session } from './session.ts'
import type { TableCatalog } from './table-catalog.ts'

/** Inserts rows that are text already. */
export async function appendText(
  session: Session,
  tables: TableCatalog,
  faultPoints: FaultPoints,
  { table, columns, text }: AppendTextWrite,
): Promise<number> {
  return appendRows(session, tables, faultPoints, { table, columns, rows: rowTextValues(text) })
}
