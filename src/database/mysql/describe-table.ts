import type { ColumnDescription, TableDescription, UniqueIndex } from '../dialect.ts'
import type { DescribedTable } from '../resolved-tables.ts'
import { columnHolds, cureWords, shownType, type TypeFacts } from './column-class.ts'
import type { ServerFacts } from './connect.ts'
import { quoteIdentifier, splitTable } from './identifiers.ts'
import { missingPrivileges } from './missing-privileges.ts'
import type { Flavour } from './server-version.ts'
import type { Purpose, Session } from './session.ts'
import type { ResolvedTable } from './table-catalog.ts'
import { tableWarnings } from './table-warnings.ts'

interface Relation {
  readonly [column: string]: string | null
  readonly db: string
  readonly name: string
  readonly type: string
  readonly engine: string | null
}

interface Column {
  readonly [column: string]: string | null
  readonly name: string
  /** `json` also of MariaDB's columns of JSON, which are texts that must be JSON. */
  readonly data_type: string
  readonly column_type: string
  readonly character_set: string | null
  readonly collation: string | null
  readonly max_characters: string | null
  readonly scale: string | null
  readonly fraction: string | null
  readonly nullable: string
  readonly default_value: string | null
  readonly extra: string
  readonly expression: string | null
}

interface IndexPart {
  readonly [column: string]: string | null
  readonly name: string
  readonly column_name: string | null
  readonly prefix: string | null
}

const SLOW_APPEND =
  'by INSERT: the server takes no LOAD DATA LOCAL (local_infile is OFF, or wsrep_load_data_splitting is ON), which is several times as fast for rows of fields()'

/** Null when the table does not exist, or this user has no privilege on it. */
export async function describeTable(
  session: Session,
  facts: Pick<ServerFacts, 'exactCollation' | 'flavour'>,
  table: string,
): Promise<DescribedTable<ResolvedTable> | null> {
  const purpose = { scope: 'own', doing: `describe table ${table}` } as const
  const [name = '', database = null] = splitTable(table).reverse()
  const { rows } = await session.query<Relation>(relation, [name, database], purpose)
  const [found] = rows
  if (!found) return null
  const place = [found.db, found.name]
  const columns = await readColumns(session, facts.flavour, place, purpose)
  const indexes = uniqueIndexes((await session.query<IndexPart>(uniqueIndexesOf, place, purpose)).rows)
  const qualifiedName = place.map(quoteIdentifier).join('.')
  const described = columns.map((column) => toColumn(column, facts.flavour))
  const writable = described.filter(({ generated }) => !generated).map((column) => column.name)
  const description: TableDescription = {
    qualifiedName,
    kind: kindOf(found),
    columns: described,
    uniqueKeys: indexes.filter(({ plain }) => plain).map((index) => index.columns),
    alsoMatching: indexes,
    ...(!session.localInfile && { slowAppend: SLOW_APPEND }),
    warnings: await tableWarnings(session, found.db, found.name),
    missingPrivileges: await missingPrivileges(session, qualifiedName, writable),
    words: cureWords(
      qualifiedName,
      new Map(columns.map((c) => [c.name, { facts: typeFacts(c), nullable: c.nullable === 'YES' }])),
      facts.exactCollation,
    ),
  }
  return { description, resolved: resolvedOf(description, columns, facts.flavour) }
}

async function readColumns(
  session: Session,
  flavour: Flavour,
  place: readonly string[],
  purpose: Purpose,
): Promise<readonly Column[]> {
  const { rows: columns } = await session.query<Column>(columnsOf, place, purpose)
  if (flavour !== 'mariadb') return columns
  const { rows } = await session.query<{ name: string }>(jsonColumnsOf, place, purpose)
  const json = new Set(rows.map(({ name }) => name))
  return columns.map((column) => (json.has(column.name) ? { ...column, data_type: 'json' } : column))
}

function resolvedOf(
  description: TableDescription,
  columns: readonly Column[],
  flavour: Flavour,
): ResolvedTable {
  return {
    qualifiedName: description.qualifiedName,
    columns: new Map(description.columns.map((column) => [column.name, column])),
    uniqueIndexes: description.alsoMatching,
    hasTriggers: description.warnings.length > 0,
    updatedByServer: new Set(
      columns.filter(({ extra }) => /on update/i.test(extra)).map((column) => column.name),
    ),
    selfMade: new Set(columns.filter((column) => isSelfMade(column, flavour)).map((column) => column.name)),
  }
}

/** Anything but InnoDB has rows that stay when the transaction is rolled back, or are kept in another one. */
function kindOf({ type, engine }: Relation): string {
  // Old row versions are InnoDB's too.
  if (type !== 'BASE TABLE' && type !== 'SYSTEM VERSIONED') return type.toLowerCase()
  return engine === 'InnoDB' ? 'table' : `${engine ?? 'unreadable'} table`
}

function toColumn(column: Column, flavour: Flavour): ColumnDescription {
  const facts = typeFacts(column)
  const generated = (column.expression ?? '') !== ''
  return {
    name: column.name,
    type: shownType(facts),
    nullable: column.nullable === 'YES',
    hasDefault: hasDefault(column, flavour),
    generated,
    ...columnHolds(facts),
  }
}

/** MariaDB writes defaults as SQL, so that NULL is a word and a text has quotes; MySQL writes them as they are. */
function hasDefault({ default_value: value, extra }: Column, flavour: Flavour): boolean {
  if (/auto_increment|default_generated/i.test(extra)) return true
  return value !== null && !(flavour === 'mariadb' && value === 'NULL')
}

/** A default that is an expression: MySQL says so, MariaDB quotes whatever is a text. */
function isSelfMade({ default_value: value, extra, expression }: Column, flavour: Flavour): boolean {
  if ((expression ?? '') !== '' || /auto_increment/i.test(extra)) return true
  if (flavour === 'mysql' && !/default_generated/i.test(extra)) return false
  const words = (value ?? '').replace(/\\?'(?:[^'\\]|''|\\[^'])*\\?'/g, '')
  return /\(|current_/i.test(words)
}

function typeFacts(column: Column): TypeFacts {
  const collation = column.collation
  return {
    dataType: column.data_type.toLowerCase(),
    columnType: column.column_type,
    characterSet: column.character_set,
    collation,
    // MySQL has the attribute in a table that MariaDB lacks; their names tell it in both.
    noPad: collation !== null && (/_nopad_/.test(collation) || /^utf8mb4_(\w+_)?0900_/.test(collation)),
    maxCharacters: numberOf(column.max_characters),
    scale: numberOf(column.scale),
    precision: numberOf(column.fraction),
  }
}

function numberOf(text: string | null): number | null {
  return text === null ? null : Number(text)
}

interface FoundIndex extends UniqueIndex {
  /** Whether it is on whole columns only. */
  readonly plain: boolean
}

function uniqueIndexes(parts: readonly IndexPart[]): FoundIndex[] {
  const indexes = new Map<string, { name: string; columns: string[]; plain: boolean }>()
  for (const { name, column_name: column, prefix } of parts) {
    const index = indexes.get(name) ?? { name, columns: [], plain: true }
    indexes.set(name, index)
    index.columns.push(
      column === null ? '(an expression)' : prefix === null ? column : `${column}(${prefix})`,
    )
    if (column === null || prefix !== null) index.plain = false
  }
  return [...indexes.values()]
}

const relation = `
  SELECT table_schema AS db, table_name AS name, table_type AS type, engine AS engine
  FROM information_schema.tables WHERE table_name = ? AND table_schema = coalesce(?, database())`

// MySQL gives names in capitals where there is no AS.
const columnsOf = `
  SELECT column_name AS name, data_type AS data_type, column_type AS column_type,
    character_set_name AS character_set, collation_name AS collation, character_maximum_length AS max_characters,
    numeric_scale AS scale, datetime_precision AS fraction, is_nullable AS nullable,
    column_default AS default_value, extra AS extra, generation_expression AS expression
  FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`

/**
 * JSON is a word for LONGTEXT CHECK (json_valid(...)) in MariaDB: the constraint of that column alone tells it. A query of
 * its own, for MariaDB opens every table of the server where the names of schema and table are not constants.
 */
const jsonColumnsOf = `
  SELECT constraint_name AS name FROM information_schema.check_constraints
  WHERE constraint_schema = ? AND table_name = ? AND level = 'Column'
    AND check_clause = concat('json_valid(\`', replace(constraint_name, '\`', '\`\`'), '\`)')`

/** A part of an expression has no column. */
const uniqueIndexesOf = `
  SELECT index_name AS name, column_name AS column_name, sub_part AS prefix
  FROM information_schema.statistics WHERE table_schema = ? AND table_name = ? AND non_unique = 0
  ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index`
