import { OncesinkError } from '../../errors.ts'
import { quoteIdentifier, quoteTable } from './identifiers.ts'
import type { Session } from './session.ts'

/** Rows fetched at a time: what is held in memory. */
const PAGE_ROWS = 2_000
const CURSOR = 'oncesink_read_table'

/**
 * Every row in pages, each column as text:
 * - `timestamptz`: `2026-03-01T09:30:00.123456Z`, always UTC, always six digits (`infinity` as it is, years before
 *   Christ with ` BC` at the end);
 * - `timestamp`: the same without the `Z`;
 * - `boolean`: `true`, `false`; `numeric`: with all digits of its scale (`1.50`); `real`, `double precision`: the
 *   shortest text that reads back as the same number; `bytea`: `\x` and hexadecimal digits;
 * - everything else as `::text` gives it.
 */
export async function* readTable(
  session: Session,
  table: string,
  columns: readonly string[],
): AsyncGenerator<(string | null)[][], void> {
  const purpose = { scope: 'own', doing: `read table ${table}` } as const
  const types = await columnTypes(session, table)
  const selected = columns.map((column, i) => `${asText(column, types, table)} AS c${i}`)
  await session.query(
    `DECLARE ${CURSOR} NO SCROLL CURSOR FOR SELECT ${selected.join(', ')} FROM ${quoteTable(table)}`,
    [],
    purpose,
  )
  for (;;) {
    const { rows } = await session.query<Record<string, string | null>>(
      `FETCH ${PAGE_ROWS} FROM ${CURSOR}`,
      [],
      purpose,
    )
    if (rows.length > 0) yield rows.map((row) => columns.map((_, i) => row[`c${i}`] ?? null))
    if (rows.length < PAGE_ROWS) break
  }
  await session.query(`CLOSE ${CURSOR}`, [], purpose)
}

async function columnTypes(session: Session, table: string): Promise<Map<string, string>> {
  const { rows } = await session.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
    [quoteTable(table)],
    { scope: 'own', doing: `read table ${table}` },
  )
  return new Map(rows.map((row) => [row.name, row.type]))
}

function asText(column: string, types: ReadonlyMap<string, string>, table: string): string {
  const type = types.get(column)
  if (type === undefined) {
    throw new OncesinkError('DATABASE_REFUSED', `table ${table} has no column '${column}'`)
  }
  const name = quoteIdentifier(column)
  if (type === 'timestamp with time zone') return momentAsText(`(${name} AT TIME ZONE 'UTC')`, 'Z')
  if (type === 'timestamp without time zone') return momentAsText(name, '')
  return `${name}::text`
}

function momentAsText(moment: string, zone: string): string {
  return `CASE WHEN NOT isfinite(${moment}) THEN ${moment}::text
    ELSE to_char(${moment}, 'YYYY-MM-DD"T"HH24:MI:SS.US"${zone}"')
      || CASE WHEN ${moment} < '0001-01-01' THEN ' BC' ELSE '' END END`
}
