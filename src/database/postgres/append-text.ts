import { type RowText, type RowTextColumn, rowTextValues } from '../../model/row-text.ts'
import type { FaultPoints } from '../../runtime/fault-points.ts'
import type { ColumnHolds } from '../column-class.ts'
import type { AppendTextWrite } from '../dialect.ts'
import { appendRows, copyInto } from './append-rows.ts'
import type { Session } from './session.ts'
import { columnType, type TableCatalog } from './table-catalog.ts'

/** Inserts rows that are text already: by COPY as they are where each column takes that, else as values. */
export async function appendText(
  session: Session,
  tables: TableCatalog,
  faultPoints: FaultPoints,
  { table: name, columns, text }: AppendTextWrite,
): Promise<number> {
  const table = await tables.resolve(name)
  const holds = columns.map((column) => columnType(table, name, column).holds)
  if (!isCopyText(text, holds)) {
    return appendRows(session, tables, faultPoints, { table: name, columns, rows: rowTextValues(text) })
  }
  return copyInto(session, tables, faultPoints, {
    table: name,
    columns,
    rows: text.rows,
    pieces: text.pieces,
  })
}

/** Whether every field of the text is just what copyText would make of its value. */
export function isCopyText({ columns }: RowText, holds: readonly ColumnHolds[]): boolean {
  return columns.every((column, i) => !column.unusual && isCopied(column, holds[i] as ColumnHolds))
}

function isCopied({ kind, longest, scale }: RowTextColumn, holds: ColumnHolds): boolean {
  switch (kind) {
    case 'text':
      // There are never more characters than bytes.
      return holds.class === 'text' && (holds.maxLength === null || longest <= holds.maxLength)
    case 'number':
      if (holds.class === 'integer') return scale === 0
      if (holds.class === 'decimal') return holds.scale === null || (holds.scale >= 0 && scale <= holds.scale)
      return holds.class === 'double'
    case 'boolean':
      return holds.class === 'boolean'
    case 'moment':
      return (holds.class === 'instant' || holds.class === 'local time') && holds.stepMs <= 1
  }
}
