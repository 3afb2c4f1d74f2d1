import type { ColumnValue } from '../../model/values.ts'
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

/** What a text has that COPY needs escaped, or that the server has no character for. */
const unusual = /[\\\t\n\r\0\uD800-\uDFFF]/

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
  const { rows } = write
  const fields = write.columns.map((_, i) => fieldOf(write, i, holds[i] as ColumnHolds))
  const last = fields.length - 1
  let piece = ''
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] as readonly ColumnValue[]
    for (let i = 0; i < last; i++) piece += `${(fields[i] as Field)(row[i], index)}\t`
    piece += `${(fields[last] as Field)(row[last], index)}\n`
    if (piece.length >= pieceCharacters) {
      yield piece
      piece = ''
    }
  }
  if (piece !== '') yield piece
}

type Field = (value: ColumnValue | undefined, row: number) => string

/** How values of one column become fields: what is nothing but itself at once, everything else by {@link columnTextOf}. */
function fieldOf({ table, columns }: AppendWrite, i: number, holds: ColumnHolds): Field {
  const column = columns[i] as string
  const { maxLength, scale } = holds
  const takesAnyText = holds.class !== 'decimal'
  const takesAnyInteger = holds.class === 'integer' || (holds.class === 'decimal' && (scale ?? 0) >= 0)
  const takesAnyNumber = holds.class === 'double'
  return (value, row) => {
    switch (typeof value) {
      case 'string':
        if (!takesAnyText || (maxLength !== null && value.length > maxLength) || unusual.test(value)) break
        return value
      case 'number':
        if (takesAnyNumber || (takesAnyInteger && Number.isSafeInteger(value))) return String(value)
        break
      case 'bigint':
        if (takesAnyInteger) return String(value)
        break
      default:
    }
    return copyField(columnTextOf(value, { table, column, row, holds }))
  }
}
