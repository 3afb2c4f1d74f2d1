import type { FieldKind } from '../../fields/field.ts'
import { type ColumnDeclaration, MAX_PRECISION, type TableDeclaration } from '../table-declaration.ts'
import { quoteIdentifier, quoteLiteral, quoteTable } from './identifiers.ts'
import type { Session } from './session.ts'

const types: Readonly<Record<FieldKind, (column: ColumnDeclaration) => string>> = {
  text: ({ maxLength }) => (maxLength === null ? 'text' : `varchar(${maxLength})`),
  integer: () => 'bigint',
  decimal: ({ precision, scale }) => `numeric(${precision ?? MAX_PRECISION}, ${scale ?? 0})`,
  double: () => 'double precision',
  boolean: () => 'boolean',
  timestamp: () => 'timestamp with time zone',
  binary: () => 'bytea',
  document: () => 'jsonb',
}

/** CREATE TABLE IF NOT EXISTS for `declaration`. */
export function createTableText({ table, columns, primaryKey }: TableDeclaration): string {
  const lines = columns.map(
    (column) =>
      `${quoteIdentifier(column.name)} ${types[column.kind](column)}${column.nullable ? '' : ' NOT NULL'}`,
  )
  if (primaryKey.length > 0) lines.push(`PRIMARY KEY (${primaryKey.map(quoteIdentifier).join(', ')})`)
  return `CREATE TABLE IF NOT EXISTS ${quoteTable(table)} (\n  ${lines.join(',\n  ')}\n)`
}

/**
 * Creates the table unless there is one. Two processes may start at once: IF NOT EXISTS does not keep them apart, a
 * lock does.
 */
export async function createTable(session: Session, declaration: TableDeclaration): Promise<void> {
  const purpose = { scope: 'own', doing: `create table ${declaration.table}` } as const
  const lock = quoteLiteral(`oncesink createTable ${declaration.table}`)
  await session.query(`SELECT pg_advisory_xact_lock(hashtextextended(${lock}, 0))`, [], purpose)
  await session.query(createTableText(declaration), null, purpose)
}
