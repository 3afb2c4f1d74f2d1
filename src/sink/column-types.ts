import type { ColumnDescription } from '../database/dialect.ts'

/** What a column can hold without changing it. */
export type TypeClass =
  | 'text'
  | 'padded text'
  | 'folded text'
  | 'integer'
  | 'decimal'
  | 'double'
  | 'single'
  | 'boolean'
  | 'instant'
  | 'local time'
  | 'bytes'
  | 'document'
  | 'other'

/** The engines' own names, without lengths, scales and precisions. */
const classes: Readonly<Record<string, TypeClass>> = {
  text: 'text',
  'character varying': 'text',
  character: 'padded text',
  bpchar: 'padded text',
  citext: 'folded text',
  smallint: 'integer',
  integer: 'integer',
  bigint: 'integer',
  numeric: 'decimal',
  'double precision': 'double',
  real: 'single',
  boolean: 'boolean',
  'timestamp with time zone': 'instant',
  'timestamp without time zone': 'local time',
  bytea: 'bytes',
  json: 'document',
  jsonb: 'document',
}

export interface ColumnType {
  readonly class: TypeClass
  /** Digits after the point of a decimal; null when it keeps every digit. */
  readonly scale: number | null
  /** Smallest step of an instant in milliseconds; below 1 everything a Date holds is kept. */
  readonly stepMs: number
}

/** What `column` holds. Users' own types are `other`, except that a scale gives a domain over a decimal away. */
export function columnType({ type, scale }: ColumnDescription): ColumnType {
  const lower = type.toLowerCase()
  const digits = /\((\d+)\)/.exec(lower)?.[1]
  const name = lower
    .replace(/\([^)]*\)/, '')
    .replace(/\s+/g, ' ')
    .trim()
  const known = Object.hasOwn(classes, name) ? classes[name] : undefined
  return {
    class: known ?? (scale === null ? 'other' : 'decimal'),
    scale,
    stepMs: digits === undefined ? 0.001 : 10 ** (3 - Number(digits)),
  }
}
