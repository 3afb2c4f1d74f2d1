import type { Readable } from 'node:stream'
import type { ColumnDescription } from '../dialect.ts'
import { quoteIdentifier } from './identifiers.ts'
import type { Session } from './session.ts'
import { columnOf, type ResolvedTable, type TableCatalog } from './table-catalog.ts'

/** Rows handed out at a time. */
const PAGE_ROWS = 2_000
/** Rows that may lie between the socket and who reads; then the socket is not read. */
const BUFFERED_ROWS = 4_000

/**
 * Every row in pages, each column as text:
 * - DATETIME, TIMESTAMP: `2026-03-01T09:30:00.123456Z`, always UTC, always six digits;
 * - TINYINT(1): `true`, `false`, and any other number as it is;
 * - DECIMAL: with all digits of its scale (`1.50`); DOUBLE, FLOAT: the shortest text that reads back as the same double;
 * - bytes: `0x` and hexadecimal digits;
 * - everything else as CAST(... AS CHAR) gives it.
 *
 * The server has no cursor: rows come as one answer, as slowly as they are taken. Whoever leaves early ends it by
 * ending the session.
 */
export async function* readTable(
  session: Session,
  tables: TableCatalog,
  table: string,
  columns: readonly string[],
): AsyncGenerator<(string | null)[][], void> {
  const purpose = { scope: 'own', doing: `read table ${table}` } as const
  const resolved = await tables.resolve(table)
  const sql = selectText(resolved, table, columns)
  let page: (string | null)[][] = []
  let ended = false
  const rows = await session.guard(purpose, async () => rowStream(session, sql))
  try {
    for await (const row of rows) {
      page.push(row as (string | null)[])
      if (page.length < PAGE_ROWS) continue
      yield page
      page = []
    }
    ended = true
  } catch (error) {
    ended = true
    throw session.classify(error, purpose)
  } finally {
    // The rest of the answer stands before everything that the server could say next.
    if (!ended) session.destroy(new Error(`the rows of ${table} were not read to their end`))
  }
  if (page.length > 0) yield page
}

function rowStream(session: Session, sql: string): Readable {
  const query = session.client.query({ sql, rowsAsArray: true, typeCast: (field) => field.string() })
  return query.stream({ highWaterMark: BUFFERED_ROWS })
}

/** The bounds of the session's statements do not hold: a table may take longer to read than any batch to write. */
function selectText(table: ResolvedTable, name: string, columns: readonly string[]): string {
  const selected = columns.map((column) => asText(columnOf(table, name, column)))
  return (
    '/*M! SET STATEMENT max_statement_time = 0 FOR */ SELECT /*+ MAX_EXECUTION_TIME(0) */ ' +
    `${selected.join(', ')} FROM ${table.qualifiedName}`
  )
}

function asText(column: ColumnDescription): string {
  const name = quoteIdentifier(column.name)
  switch (column.class) {
    case 'instant':
      return `DATE_FORMAT(${name}, '%Y-%m-%dT%H:%i:%s.%fZ')`
    case 'boolean':
      return `CASE ${name} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE CAST(${name} AS CHAR) END`
    case 'single':
      // As a FLOAT it would be written with six digits.
      return `CAST(CAST(${name} AS DOUBLE) AS CHAR)`
    case 'bytes':
    case 'binary text':
      return `CONCAT('0x', LOWER(HEX(${name})))`
    default:
      return column.type.startsWith('bit') ? `CAST(${name} + 0 AS CHAR)` : `CAST(${name} AS CHAR)`
  }
}
