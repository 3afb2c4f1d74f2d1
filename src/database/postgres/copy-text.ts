import type { ColumnHolds } from '../column-class.ts'
import type { AppendWrite } from '../dialect.ts'
import { columnTextOf } from './column-text.ts'

const special = /[\\\t\n\r]/g
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** One field of COPY's text format. A backslash escapes itself, so `\N` (NULL) and `\.` (end) cannot be forged. */
export function copyField(text: string | null): string {
  if (text === null) return '\\N'
  return text.replace(special, (character) => escapes[character] ?? character)
}

/**
 * The rows in COPY's text format, in pieces of at least `pieceCharacters` characters (the last may be shorter), each
 * ending with a row's end.
 * @param holds what each column holds
 * @throws OncesinkError ROWS_REJECTED for a value that PostgreSQL has no text for
 */
export function* copyText(
  write: AppendWrite,
  holds: readonly ColumnHolds[],
  pieceCharacters: number,
): Generator<string> {
  const { table, columns, rows } = write
  let piece = ''
  for (const [index, row] of rows.entries()) {
    let line = ''
    for (const [i, column] of columns.entries()) {
      const place = { table, column, row: index, holds: holds[i] as ColumnHolds }
      line += `${i === 0 ? '' : '\t'}${copyField(columnTextOf(row[i], place))}`
    }
    piece += `${line}\n`
    if (piece.length >= pieceCharacters) {
      yield piece
      piece = ''
    }
  }
  if (piece !== '') yield piece
}
