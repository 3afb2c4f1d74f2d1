import { invariant, OncesinkError } from '../../errors.ts'
import type { ColumnValue } from '../../model/values.ts'
import type { ColumnDescription } from '../dialect.ts'
import { columnLiteralOf } from './column-text.ts'

/** Rows of one statement, as `(...), (...)`. */
export interface RowsText {
  readonly rows: number
  readonly text: string
}

export interface RowsToWrite {
  readonly table: string
  readonly columns: readonly ColumnDescription[]
  readonly rows: readonly (readonly ColumnValue[])[]
  /** Called with each value before it becomes a literal, per column. */
  readonly checks?: readonly (((value: ColumnValue | undefined) => void) | null)[]
}

export interface StatementLimits {
  /** A statement takes rows up to this size; a single larger one it takes as well. In bytes. */
  readonly targetBytes: number
  /** No statement may be larger, whatever is in it. In bytes. */
  readonly maxBytes: number
}

/**
 * The rows in order as literals, cut so that each statement stays within the limits. Bytes are counted, not
 * characters: a statement that is larger than the server's max_allowed_packet ends the connection.
 * @throws OncesinkError ROWS_REJECTED for a value that its column cannot hold, and for a row that no statement can hold
 */
export function* rowLiterals(
  write: RowsToWrite,
  { targetBytes, maxBytes }: StatementLimits,
): Generator<RowsText> {
  let texts: string[] = []
  let bytes = 0
  for (const [index, row] of write.rows.entries()) {
    const text = rowLiteral(write, row, index)
    const size = Buffer.byteLength(text) + SEPARATOR.length
    if (size > maxBytes) throw rowTooLarge(write.table, index, size, maxBytes)
    if (texts.length > 0 && bytes + size > Math.min(targetBytes, maxBytes)) {
      yield { rows: texts.length, text: texts.join(SEPARATOR) }
      texts = []
      bytes = 0
    }
    texts.push(text)
    bytes += size
  }
  if (texts.length > 0) yield { rows: texts.length, text: texts.join(SEPARATOR) }
}

const SEPARATOR = ','

function rowLiteral(
  { table, columns, checks }: RowsToWrite,
  row: readonly ColumnValue[],
  index: number,
): string {
  invariant(row.length === columns.length, `a row for ${table} has ${row.length} values`)
  let text = ''
  for (const [i, holds] of columns.entries()) {
    checks?.[i]?.(row[i])
    text += `${i === 0 ? '(' : ','}${columnLiteralOf(row[i], { table, column: holds.name, row: index, holds })}`
  }
  return `${text})`
}

function rowTooLarge(table: string, row: number, bytes: number, maxBytes: number): OncesinkError {
  return new OncesinkError(
    'ROWS_REJECTED',
    `row ${row} for ${table} is ${bytes} bytes of SQL, and this server takes statements of ${maxBytes} bytes of rows at ` +
      "most: raise the server's max_allowed_packet, or shorten the values in the job",
  )
}
