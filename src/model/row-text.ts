import type { ColumnValue } from './values.ts'

/*
 * Rows as text: fields with a tab between them, each row with a newline at its end, all in UTF-8. A backslash escapes
 * itself, tab (`\t`), newline (`\n`) and carriage return (`\r`); `\N` is NULL. PostgreSQL's COPY and MySQL's LOAD DATA
 * read it alike. A value stands there as the general way would send it, so that the bytes can go to the server as they
 * are; where a column asks for something else, they are turned into values again.
 */

/**
 * What a column of the text holds, NULL aside:
 * - `text`: any text;
 * - `number`: what `String` makes of a number, or an offset: decimal digits;
 * - `boolean`: `true` or `false`;
 * - `moment`: what `toISOString` makes of a Date: `2026-01-31T12:00:00.000Z`.
 */
export type RowTextKind = 'text' | 'number' | 'boolean' | 'moment'

export interface RowTextColumn {
  readonly kind: RowTextKind
  /** Whether the numbers are offsets, which are bigints as values. */
  readonly isOffset: boolean
  /** Whether there is a NULL. */
  readonly hasNull: boolean
  /** Length of the longest text, in bytes without escapes; at least. 0 for other kinds. */
  readonly longest: number
  /** Most digits that a number has after the point. */
  readonly scale: number
  /**
   * Whether there is anything that not every reader takes as it is written: NUL in a text, a number with an exponent or
   * beyond 2^53, a moment that is not of the years 1 to 9999.
   */
  readonly unusual: boolean
}

export interface RowText {
  readonly columns: readonly RowTextColumn[]
  readonly rows: number
  /** The text, cut at ends of rows. */
  readonly pieces: readonly Uint8Array[]
}

const [TAB, NEWLINE, BACKSLASH, CAPITAL_N] = [9, 10, 92, 78] as const
const escaped: ReadonlyMap<number, number> = new Map([
  [116, TAB],
  [110, NEWLINE],
  [114, 13],
  [BACKSLASH, BACKSLASH],
])
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** The rows as values: what they were made of. */
export function rowTextValues({ columns, pieces }: RowText): ColumnValue[][] {
  const rows: ColumnValue[][] = []
  for (const piece of pieces) {
    let row: ColumnValue[] = []
    for (let at = 0; at < piece.length; ) {
      let end = at
      while (piece[end] !== TAB && piece[end] !== NEWLINE) end += piece[end] === BACKSLASH ? 2 : 1
      row.push(fieldValue(columns[row.length] as RowTextColumn, piece.subarray(at, end)))
      if (piece[end] === NEWLINE) {
        rows.push(row)
        row = []
      }
      at = end + 1
    }
  }
  return rows
}

function fieldValue({ kind, isOffset }: RowTextColumn, field: Uint8Array): ColumnValue {
  if (field.length === 2 && field[0] === BACKSLASH && field[1] === CAPITAL_N) return null
  const text = utf8.decode(field.includes(BACKSLASH) ? unescaped(field) : field)
  switch (kind) {
    case 'text':
      return text
    case 'number':
      return isOffset ? BigInt(text) : Number(text)
    case 'boolean':
      return text === 'true'
    case 'moment':
      return new Date(text)
  }
}

function unescaped(field: Uint8Array): Uint8Array {
  const bytes: number[] = []
  for (let i = 0; i < field.length; i++) {
    const byte = field[i] as number
    if (byte !== BACKSLASH) bytes.push(byte)
    else bytes.push(escaped.get(field[++i] as number) as number)
  }
  return Uint8Array.from(bytes)
}

/** The first row, and all after it; the bytes are shared. There must be one. */
export function splitFirstRow(text: RowText): [RowText, RowText] {
  const [piece = new Uint8Array(), ...pieces] = text.pieces
  const end = piece.indexOf(NEWLINE) + 1
  const left = end < piece.length ? [piece.subarray(end)] : []
  return [
    { ...text, rows: 1, pieces: [piece.subarray(0, end)] },
    { ...text, rows: text.rows - 1, pieces: [...left, ...pieces] },
  ]
}

/** Texts of the same columns as one, in their order; the bytes are shared. At least one. */
export function joinRowTexts(texts: readonly RowText[]): RowText {
  const [first] = texts
  if (texts.length === 1 && first) return first
  const columns = (first?.columns ?? []).map((column, i) => {
    const all = texts.map((text) => text.columns[i] ?? column)
    return {
      ...column,
      longest: Math.max(...all.map(({ longest }) => longest)),
      scale: Math.max(...all.map(({ scale }) => scale)),
      hasNull: all.some(({ hasNull }) => hasNull),
      unusual: all.some(({ unusual }) => unusual),
    }
  })
  return {
    columns,
    rows: texts.reduce((sum, { rows }) => sum + rows, 0),
    pieces: texts.flatMap(({ pieces }) => pieces),
  }
}
