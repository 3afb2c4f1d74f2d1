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
 * @param lengths declared length of each column, null for none
 * @throws OncesinkError ROWS_REJECTED for a value that PostgreSQL has no text for
 */
export function* copyText(
  write: AppendWrite,
  lengths: readonly (number | null)[],
  pieceCharacters: number,
): Generator<string> {
  const { table, columns, rows } = write
  let piece = ''
  for (const [index, row] of rows.entries()) {
    let line = ''
    for (const [i, column] of columns.entries()) {
      const place = { table, column, row: index, maxLength: lengths[i] ?? null }
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
