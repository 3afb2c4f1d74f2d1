import type { ColumnClass, ColumnHolds, CureWords } from '../column-class.ts'
import { quoteIdentifier } from './identifiers.ts'

/** What information_schema says of a column's type. */
export interface TypeFacts {
  /** `varchar`, `decimal`. */
  readonly dataType: string
  /** With length, scale, sign: `varchar(64)`, `decimal(14,2) unsigned`. */
  readonly columnType: string
  readonly characterSet: string | null
  readonly collation: string | null
  /** Whether the collation takes spaces at the end into account. */
  readonly noPad: boolean
  readonly maxCharacters: number | null
  readonly scale: number | null
  /** Digits of a second. */
  readonly precision: number | null
}

const classes: Readonly<Record<string, ColumnClass>> = {
  // A column of CHAR gives texts back without the spaces at their end.
  char: 'padded text',
  // Their values are found by the collation, so that 'X' becomes 'x'.
  enum: 'folded text',
  set: 'folded text',
  varbinary: 'binary text',
  tinyblob: 'binary text',
  blob: 'binary text',
  mediumblob: 'binary text',
  longblob: 'binary text',
  // Zero bytes are added at its end.
  binary: 'bytes',
  tinyint: 'integer',
  smallint: 'integer',
  mediumint: 'integer',
  int: 'integer',
  bigint: 'integer',
  decimal: 'decimal',
  double: 'double',
  float: 'single',
  // Both are written and read in UTC, which is the session's time zone.
  datetime: 'instant',
  timestamp: 'instant',
  date: 'date',
  uuid: 'uuid',
  json: 'document',
}

const texts: ReadonlySet<string> = new Set(['varchar', 'tinytext', 'text', 'mediumtext', 'longtext'])

/** What a column holds. */
export function columnHolds(facts: TypeFacts): ColumnHolds {
  const name = classOf(facts)
  return {
    class: name,
    scale: name === 'decimal' ? facts.scale : null,
    // The server would, with no more than a note; columnLiteral refuses what has more digits.
    rounds: false,
    stepMs: name === 'instant' ? 10 ** (3 - (facts.precision ?? 0)) : 0.001,
    // Of the TEXT types information_schema tells bytes.
    maxLength: facts.dataType === 'varchar' || facts.dataType === 'char' ? facts.maxCharacters : null,
  }
}

function classOf(facts: TypeFacts): ColumnClass {
  const { dataType } = facts
  if (texts.has(dataType)) return textClass(facts)
  // BOOLEAN is a word for it.
  if (facts.columnType === 'tinyint(1)') return 'boolean'
  // DOUBLE(10,2) rounds to two digits.
  if (dataType === 'double' && facts.scale !== null) return 'single'
  return (Object.hasOwn(classes, dataType) ? classes[dataType] : undefined) ?? 'other'
}

function textClass({ characterSet, collation, noPad }: TypeFacts): ColumnClass {
  if (characterSet !== 'utf8mb4') return 'narrow text'
  return collation?.endsWith('_bin') && noPad ? 'text' : 'folded text'
}

/** The type as messages show it: what makes two texts equal belongs to it. */
export function shownType({ columnType, characterSet, collation }: TypeFacts): string {
  if (collation === null) return columnType
  const set = characterSet === 'utf8mb4' ? '' : ` character set ${characterSet}`
  return `${columnType}${set} collate ${collation}`
}

/**
 * The cures of one table.
 * @param table quoted
 * @param columns its columns by name
 * @param collation the one of utf8mb4 that keeps every two texts apart
 */
export function cureWords(
  table: string,
  columns: ReadonlyMap<string, { readonly facts: TypeFacts; readonly nullable: boolean }>,
  collation: string,
): CureWords {
  return {
    plainTable: (kind) =>
      kind.endsWith(' table') && !kind.startsWith('temporary')
        ? `ALTER TABLE ${table} ENGINE = InnoDB`
        : 'use an ordinary table',
    exactText: ({ name }) => {
      const column = columns.get(name)
      const type = exactType(column?.facts)
      const declared = `${type} CHARACTER SET utf8mb4 COLLATE ${collation}${column?.nullable ? '' : ' NOT NULL'}`
      return `${type} COLLATE ${collation} (ALTER TABLE ${table} MODIFY ${quoteIdentifier(name)} ${declared})`
    },
    integer: 'bigint',
    smallInteger: 'int',
    decimal: (scale) => `decimal(..., ${scale})`,
    anyDecimal: 'decimal',
    exactDecimal: 'decimal',
    double: 'double',
    boolean: 'boolean',
    instant: 'datetime(3)',
    finerInstant: 'declare it as datetime(3)',
    notNull: 'ALTER TABLE ... MODIFY ... NOT NULL',
  }
}

function exactType(facts: TypeFacts | undefined): string {
  if (facts && texts.has(facts.dataType)) return facts.columnType
  return facts?.dataType === 'char' ? `varchar(${facts.maxCharacters})` : 'varchar(255)'
}
