/**
 * What a column can hold without changing it, in no engine's own words. Each dialect says it of its types; checking
 * tables and comparing them knows only this.
 *
 * - `text`: every text as it is; two texts are equal, and unique, only when they are the same, and sort by code points
 *   where that is asked for;
 * - `binary text`: the same, kept as the bytes of UTF-8;
 * - `padded text`: adds or takes away spaces at the end;
 * - `folded text`: keeps a text as it is, but takes different ones for equal;
 * - `narrow text`: lacks some characters, and refuses them;
 * - `decimal`: see `scale` of the column; `double`, `single`: binary floating point of 64 and 32 bits;
 * - `instant`: a moment, see `stepMs` of the column; `local time`: date and time of an unknown zone; `date`: a day;
 * - `bytes`: bytes, in the engine's own notation; `document`: JSON;
 * - `other`: nothing is known of it, so that it is neither refused as a key nor compared.
 */
export type ColumnClass =
  | 'text'
  | 'binary text'
  | 'padded text'
  | 'folded text'
  | 'narrow text'
  | 'uuid'
  | 'integer'
  | 'decimal'
  | 'double'
  | 'single'
  | 'boolean'
  | 'instant'
  | 'local time'
  | 'date'
  | 'bytes'
  | 'document'
  | 'other'

/** What a column holds, as far as values can be harmed by it. */
export interface ColumnHolds {
  readonly class: ColumnClass
  /** Digits after the point of a decimal; null when it keeps every digit, and for every other class. */
  readonly scale: number | null
  /**
   * Whether a decimal with more digits after the point than `scale` is rounded without an error. Where it is not, it
   * is refused: two values never become one.
   */
  readonly rounds: boolean
  /** Smallest step of an instant in milliseconds; below 1 everything a Date holds is kept. 0.001 for other classes. */
  readonly stepMs: number
  /** Declared length of a text in characters, null where there is none. */
  readonly maxLength: number | null
}

/** How an engine writes what a cure tells the user to do, as it reads after "use". */
export interface CureWords {
  /** Makes a table of what is `kind` as the table is described, and no plain table. */
  plainTable(kind: string): string
  /** A type for `column` that keeps texts apart and as they are. */
  exactText(column: { readonly name: string; readonly type: string; readonly class: ColumnClass }): string
  /** For every integer, for example `bigint`. */
  readonly integer: string
  /** For numbers of partitions. */
  readonly smallInteger: string
  /** Exact decimals with `scale` digits after the point. */
  decimal(scale: number | undefined): string
  /** Decimals in general. */
  readonly anyDecimal: string
  /** Decimals that never make one of two, null where the engine has none. */
  readonly exactDecimal: string | null
  readonly double: string
  readonly boolean: string
  readonly instant: string
  /** Makes an instant's column keep milliseconds. */
  readonly finerInstant: string
  /** Makes a column refuse NULL. */
  readonly notNull: string
}
