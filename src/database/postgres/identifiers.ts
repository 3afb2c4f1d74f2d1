import { OncesinkError } from '../../errors.ts'

/** A name as SQL text that means exactly this name, whatever is in it. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text as an SQL literal that means exactly this text, whatever standard_conforming_strings says. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted
}

/**
 * `orders` or `sales.orders` as quoted SQL. Names are taken as they are written (no folding to lower case), and a
 * dot always separates schema and table.
 * @throws OncesinkError DATABASE_REFUSED when it is not such a name
 */
export function quoteTable(table: string): string {
  const parts = table.split('.')
  if (parts.length > 2 || parts.some((part) => part === '' || part.includes('\0'))) {
    throw new OncesinkError(
      'DATABASE_REFUSED',
      `'${table}' is not the name of a table: write 'table' or 'schema.table'`,
    )
  }
  return parts.map(quoteIdentifier).join('.')
}
