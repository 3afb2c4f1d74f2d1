import { type RowText, type RowTextColumn, rowTextValues } from '../../model/row-text.ts'
import type { FaultPoints } from '../../runtime/fault-points.ts'
import type { AppendTextWrite, ColumnDescription } from '../dialect.ts'
import { appendRows } from './append-rows.ts'
import { loadData } from './load-data.ts'
import type { Session } from './session.ts'
import { columnOf, type ResolvedTable, type TableCatalog } from './table-catalog.ts'

/**
 * Inserts rows that are text already: by LOAD DATA LOCAL where the server takes it, each column takes the text as it is,
 * and there is no trigger that might be run with its laxness; else as values, by INSERT.
 *
 * LOAD DATA LOCAL makes warnings of errors: it skips rows and changes values. So it is undone to a savepoint if there is
 * a single warning, or a row missing, and INSERT says what is wrong, if anything is.
 */
export async function appendText(
  session: Session,
  tables: TableCatalog,
  faultPoints: FaultPoints,
  write: AppendTextWrite,
): Promise<number> {
  const table = await tables.resolve(write.table)
  const columns = write.columns.map((name) => columnOf(table, write.table, name))
  if (canLoad(session, table, columns, write.text)) {
    try {
      if (await loadData(session, tables, faultPoints, table, write)) return write.text.rows
    } catch (error) {
      tables.forget(write.table)
      throw error
    }
  }
  const { table: name, columns: names, text } = write
  return appendRows(session, tables, faultPoints, { table: name, columns: names, rows: rowTextValues(text) })
}

function canLoad(
  session: Session,
  table: ResolvedTable,
  columns: readonly ColumnDescription[],
  text: RowText,
): boolean {
  return session.localInfile && text.rows > 1 && !table.hasTriggers && isLoadText(text, columns)
}

/** Whether the server makes of every field of the text what it makes of columnLiteral's literal of its value. */
export function isLoadText({ columns }: RowText, into: readonly ColumnDescription[]): boolean {
  return columns.every((column, i) => {
    const description = into[i] as ColumnDescription
    return !column.unusual && (description.nullable || !column.hasNull) && isLoaded(column, description)
  })
}

function isLoaded({ kind, longest, scale }: RowTextColumn, into: ColumnDescription): boolean {
  switch (kind) {
    case 'text':
      // There are never more characters than bytes.
      return isText(into) && (into.maxLength === null || longest <= into.maxLength)
    case 'number':
      if (into.class === 'integer') return scale === 0
      return into.class === 'decimal' && into.scale !== null && scale <= into.scale
    case 'boolean':
      return false
    case 'moment':
      return into.class === 'instant' && into.stepMs <= 1
  }
}

function isText({ class: holds, type }: ColumnDescription): boolean {
  return holds === 'text' || (holds === 'folded text' && !/^(?:enum|set)\b/i.test(type))
}
