import { OncesinkError } from '../../errors.ts'
import type { FieldKind } from '../../fields/field.ts'
import { type ColumnDeclaration, MAX_PRECISION, type TableDeclaration } from '../table-declaration.ts'
import { quoteIdentifier, quoteTable } from './identifiers.ts'
import type { Session } from './session.ts'

/** An index holds 3,072 bytes, and a character of utf8mb4 counts four. */
const MAX_KEY_CHARACTERS = 768

const types: Readonly<Record<FieldKind, (column: ColumnDeclaration) => string>> = {
  text: ({ maxLength }) => (maxLength === null ? 'longtext' : `varchar(${maxLength})`),
  integer: () => 'bigint',
  decimal: ({ precision, scale }) => `decimal(${precision ?? MAX_PRECISION}, ${scale ?? 0})`,
  double: () => 'double',
  boolean: () => 'tinyint(1)',
  timestamp: () => 'datetime(3)',
  binary: () => 'longblob',
  document: () => 'json',
}

/**
 * CREATE TABLE IF NOT EXISTS for `declaration`: InnoDB, and text that tells every two texts apart.
 * @param collation the server's binary collation that ignores no trailing spaces
 * @throws OncesinkError CONFIGURATION_INVALID for a text key without a length, or keys too long for an index
 */
export function createTableText(declaration: TableDeclaration, collation: string): string {
  const { table, columns, primaryKey } = declaration
  checkKeyLength(declaration)
  const lines = columns.map(
    (column) =>
      `${quoteIdentifier(column.name)} ${types[column.kind](column)} ${column.nullable ? 'NULL' : 'NOT NULL'}`,
  )
  if (primaryKey.length > 0) lines.push(`PRIMARY KEY (${primaryKey.map(quoteIdentifier).join(', ')})`)
  return (
    `CREATE TABLE IF NOT EXISTS ${quoteTable(table)} (\n  ${lines.join(',\n  ')}\n) ` +
    `ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE ${collation}`
  )
}

export async function createTable(
  session: Session,
  declaration: TableDeclaration,
  collation: string,
): Promise<void> {
  await session.query(createTableText(declaration, collation), [], {
    scope: 'own',
    doing: `create table ${declaration.table}`,
  })
}

function checkKeyLength({ table, columns, primaryKey }: TableDeclaration): void {
  const texts = columns.filter(({ name, kind }) => kind === 'text' && primaryKey.includes(name))
  const unbounded = texts.find(({ maxLength }) => maxLength === null)
  if (unbounded) {
    throw invalid(
      `createTable of ${table}: key column '${unbounded.name}' is a text of any length, and MySQL and MariaDB index ` +
        `${MAX_KEY_CHARACTERS} characters at most: declare it as text({ maxLength: ... })`,
    )
  }
  const characters = texts.reduce((sum, { maxLength }) => sum + (maxLength ?? 0), 0)
  if (characters <= MAX_KEY_CHARACTERS) return
  throw invalid(
    `createTable of ${table}: the texts of its key have ${characters} characters together, and MySQL and MariaDB index ` +
      `${MAX_KEY_CHARACTERS} at most: lower maxLength`,
  )
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', message)
}
