import type { ColumnClass, ColumnHolds, CureWords } from '../column-class.ts'

/** PostgreSQL's own names, without lengths, scales and precisions. */
const classes: Readonly<Record<string, ColumnClass>> = {
  text: 'text',
  'character varying': 'text',
  character: 'padded text',
  bpchar: 'padded text',
  citext: 'folded text',
  uuid: 'uuid',
  smallint: 'integer',
  integer: 'integer',
  bigint: 'integer',
  numeric: 'decimal',
  'double precision': 'double',
  real: 'single',
  boolean: 'boolean',
  'timestamp with time zone': 'instant',
  'timestamp without time zone': 'local time',
  date: 'date',
  bytea: 'bytes',
  json: 'document',
  jsonb: 'document',
}

/**
 * What a column holds.
 * @param type as `format_type` writes it: `numeric(14,2)`; of a domain the type below it. Users' other types are `other`
 * @param folds whether the collation takes different texts for equal
 */
export function columnHolds(
  type: string,
  scale: number | null,
  maxLength: number | null = null,
  folds = false,
): ColumnHolds {
  const digits = /^timestamp\((\d)\)/.exec(type)?.[1]
  const name = type
    .replace(/\([^)]*\)/, '')
    .replace(/\s+/g, ' ')
    .trim()
  const known = (Object.hasOwn(classes, name) ? classes[name] : undefined) ?? 'other'
  const holds = known === 'text' && folds ? 'folded text' : known
  return {
    class: holds,
    scale: holds === 'decimal' ? scale : null,
    rounds: holds === 'decimal' && scale !== null,
    stepMs: digits === undefined ? 0.001 : 10 ** (3 - Number(digits)),
    maxLength,
  }
}

export const cureWords: CureWords = {
  plainTable: (kind) => (kind === 'unlogged table' ? 'ALTER TABLE ... SET LOGGED' : 'use an ordinary table'),
  exactText: (column) => {
    if (column.type.includes(' COLLATE ')) return 'a deterministic collation, such as COLLATE "C"'
    return column.class === 'padded text' ? 'text or varchar' : 'text'
  },
  integer: 'bigint',
  smallInteger: 'integer',
  decimal: (scale) => `numeric(..., ${scale})`,
  anyDecimal: 'numeric',
  exactDecimal: 'numeric without a scale',
  double: 'double precision',
  boolean: 'boolean',
  instant: 'timestamp with time zone',
  finerInstant: 'leave the precision out',
  notNull: 'ALTER COLUMN ... SET NOT NULL',
}
