import { OncesinkError } from '../../errors.ts'

/** A name as SQL text that means exactly this name, whatever is in it (and whatever sql_mode says of double quotes). */
export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/**
 * `orders` or `sales.orders` as quoted SQL. A dot always separates database and table. Whether case matters is the
 * server's matter (`lower_case_table_names`).
 * @throws OncesinkError DATABASE_REFUSED when it is not such a name
 */
export function quoteTable(table: string): string {
  return splitTable(table).map(quoteIdentifier).join('.')
}

/**
 * The parts of `orders` or `sales.orders`.
 * @throws OncesinkError DATABASE_REFUSED when it is not such a name
 */
export function splitTable(table: string): string[] {
  const parts = table.split('.')
  if (parts.length > 2 || parts.some((part) => part === '' || part.includes('\0') || part.endsWith(' '))) {
    throw new OncesinkError(
      'DATABASE_REFUSED',
      `'${table}' is not the name of a table: write 'table' or 'database.table'`,
    )
  }
  return parts
}
