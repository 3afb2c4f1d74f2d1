import type { RowText, RowTextKind } from '../model/row-text.ts'

/** A piece grows to this size, in bytes, and larger only for a row that needs it. */
const PIECE_BYTES = 256 * 1024
/** Size of the first piece: a record that is tried alone must not cost much. */
const FIRST_BYTES = 1024
/** Up to this length a loop copies faster than a call, in bytes. */
const LOOP_BYTES = 48

const special = /[\\\t\n\r]/
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/**
 * Writes {@link RowText}, field by field and row by row. A row that was not ended is not there: the next one takes its
 * place.
 */
export class RowTextWriter {
  readonly #kinds: readonly RowTextKind[]
  readonly #offsets: readonly boolean[]
  readonly #hasNull: boolean[]
  readonly #longest: number[]
  readonly #scales: number[]
  readonly #unusual: boolean[]
  readonly #pieces: Uint8Array[] = []
  #piece: Buffer = Buffer.alloc(0)
  /** End of the last row that was ended, in the piece. */
  #rowsEnd = 0
  #at = 0
  #rows = 0
  #column = 0

  constructor(columns: readonly { readonly kind: RowTextKind; readonly isOffset: boolean }[]) {
    this.#kinds = columns.map(({ kind }) => kind)
    this.#offsets = columns.map(({ isOffset }) => isOffset)
    this.#hasNull = columns.map(() => false)
    this.#longest = columns.map(() => 0)
    this.#scales = columns.map(() => 0)
    this.#unusual = columns.map(() => false)
  }

  /** @param bytes that all fields have at most which are not written by {@link value}, separators included */
  beginRow(bytes: number): void {
    this.#at = this.#rowsEnd
    this.#column = 0
    this.#reserve(bytes)
  }

  endRow(): void {
    // The separator after the last field.
    this.#piece[this.#at - 1] = 10
    this.#rowsEnd = this.#at
    this.#rows += 1
  }

  null(): void {
    this.#hasNull[this.#column] = true
    this.#piece[this.#at++] = 92
    this.#piece[this.#at++] = 78
    this.#endField()
  }

  /** Bytes of a text without anything to escape. */
  plainText(from: Buffer, start: number, end: number): void {
    const length = end - start
    if (length > (this.#longest[this.#column] as number)) this.#longest[this.#column] = length
    this.#copy(from, start, end)
    this.#endField()
  }

  /** ASCII of a value that is no text. */
  plain(from: Buffer, start: number, end: number): void {
    this.#copy(from, start, end)
    this.#endField()
  }

  /** A decimal without an exponent, whose last digit after the point is no zero. @param scale its digits after the point */
  number(from: Buffer, start: number, end: number, scale: number): void {
    if (scale > (this.#scales[this.#column] as number)) this.#scales[this.#column] = scale
    this.#copy(from, start, end)
    this.#endField()
  }

  /** An integer from 0 to 2^53 - 1. */
  count(value: number): void {
    const piece = this.#piece
    let digits = 1
    for (let power = 10; value >= power; power *= 10) digits += 1
    let rest = value
    for (let i = this.#at + digits - 1; i >= this.#at; i--) {
      const tens = Math.floor(rest / 10)
      piece[i] = 48 + (rest - tens * 10)
      rest = tens
    }
    this.#at += digits
    this.#endField()
  }

  /** Any value of the column. */
  value(value: string | number | boolean | Date | null): void {
    if (value === null) {
      this.#reserve(3)
      this.null()
      return
    }
    const text = this.#textOf(value)
    if (typeof value === 'string') {
      this.#longest[this.#column] = Math.max(this.#longest[this.#column] as number, Buffer.byteLength(text))
    }
    const field = special.test(text)
      ? text.replace(/[\\\t\n\r]/g, (character) => escapes[character] ?? character)
      : text
    this.#reserve(Buffer.byteLength(field) + 1)
    this.#at += this.#piece.write(field, this.#at, 'utf8')
    this.#endField()
  }

  finish(): RowText {
    if (this.#rowsEnd > 0) this.#pieces.push(this.#piece.subarray(0, this.#rowsEnd))
    return {
      columns: this.#kinds.map((kind, i) => ({
        kind,
        isOffset: this.#offsets[i] as boolean,
        hasNull: this.#hasNull[i] as boolean,
        longest: this.#longest[i] as number,
        scale: this.#scales[i] as number,
        unusual: this.#unusual[i] as boolean,
      })),
      rows: this.#rows,
      pieces: this.#pieces,
    }
  }

  #textOf(value: string | number | boolean | Date): string {
    const column = this.#column
    switch (typeof value) {
      case 'string':
        if (value.includes('\0')) this.#unusual[column] = true
        return value
      case 'number': {
        const text = String(value)
        const point = text.indexOf('.')
        if (text.includes('e') || (point === -1 && !Number.isSafeInteger(value))) this.#unusual[column] = true
        if (point !== -1) {
          this.#scales[column] = Math.max(this.#scales[column] as number, text.length - point - 1)
        }
        return text
      }
      case 'boolean':
        return String(value)
      default: {
        const text = Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
        if (text.length !== 24 || text.startsWith('0000')) this.#unusual[column] = true
        return text
      }
    }
  }

  #copy(from: Buffer, start: number, end: number): void {
    const piece = this.#piece
    let at = this.#at
    if (end - start > LOOP_BYTES) at += from.copy(piece, at, start, end)
    else for (let i = start; i < end; i++) piece[at++] = from[i] as number
    this.#at = at
  }

  #endField(): void {
    this.#piece[this.#at++] = 9
    this.#column += 1
  }

  /** Makes room for `bytes` more of the row that is being written. */
  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#piece.length) return
    const begun = this.#piece.subarray(this.#rowsEnd, this.#at)
    const needed = begun.length + bytes
    const grows = this.#piece.length < PIECE_BYTES && this.#rowsEnd + needed <= PIECE_BYTES
    const size = grows
      ? Math.max(this.#piece.length * 4, FIRST_BYTES, this.#rowsEnd + needed)
      : Math.max(PIECE_BYTES, needed)
    const next = Buffer.allocUnsafeSlow(grows ? Math.min(size, PIECE_BYTES) : size)
    if (grows) this.#piece.copy(next, 0, 0, this.#at)
    else {
      if (this.#rowsEnd > 0) this.#pieces.push(this.#piece.subarray(0, this.#rowsEnd))
      begun.copy(next)
      this.#rowsEnd = 0
      this.#at = begun.length
    }
    this.#piece = next
  }
}
