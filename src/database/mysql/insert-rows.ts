import { OncesinkError } from '../../errors.ts'
import { quoteIdentifier } from './identifiers.ts'
import type { RowsText, StatementLimits } from './row-literals.ts'
import type { Purpose, Session } from './session.ts'
import { columnOf, type ResolvedTable } from './table-catalog.ts'

/** Enough to make round trips cheap, little enough to keep in memory, on both sides. */
const STATEMENT_BYTES = 1024 * 1024
/** What a packet holds besides the statement, and more, in bytes. */
const PACKET_OVERHEAD_BYTES = 128

/** An INSERT of many rows, around its rows. */
export interface InsertFrame {
  readonly table: string
  /** `INSERT INTO ... VALUES `. */
  readonly before: string
  /** ` ON DUPLICATE KEY UPDATE ...`, or nothing. */
  readonly after: string
}

export function insertInto(table: ResolvedTable, columns: readonly string[]): string {
  return `INSERT INTO ${table.qualifiedName} (${columns.map(quoteIdentifier).join(', ')}) VALUES `
}

export function limitsOf(session: Session, frame: InsertFrame): StatementLimits {
  const around = Buffer.byteLength(frame.before) + Buffer.byteLength(frame.after) + PACKET_OVERHEAD_BYTES
  return { targetBytes: STATEMENT_BYTES, maxBytes: session.maxAllowedPacket - around }
}

/**
 * Sends one statement of many rows. What the server has done differently than it was told, it says in warnings only:
 * none is allowed.
 * @returns rows affected, by the server's count
 */
export async function sendRows(
  session: Session,
  frame: InsertFrame,
  { text }: RowsText,
  purpose: Purpose,
): Promise<number> {
  const { affectedRows, warnings } = await session.query(`${frame.before}${text}${frame.after}`, [], purpose)
  if (warnings > 0) throw await changedSilently(session, frame.table, warnings)
  return affectedRows
}

interface Warning {
  readonly [column: string]: string | null
  readonly Level: string
  readonly Code: string
  readonly Message: string
}

async function changedSilently(session: Session, table: string, count: number): Promise<OncesinkError> {
  const { rows } = await session.query<Warning>('SHOW WARNINGS LIMIT 3', [], {
    scope: 'own',
    doing: 'read the warnings of a statement',
  })
  const said = rows.map((row) => `${row.Message} [${row.Level} ${row.Code}]`).join('; ')
  return new OncesinkError(
    'ROWS_REJECTED',
    `${table} took rows with ${count} warnings, so it may hold something else than was written: ${said}. ` +
      'Declare the column so that it holds the value, or convert the value in the job.',
  )
}

/** The server accepted another number of rows than it was sent, and without an error. */
export function rowsVanished(table: string, sent: number, taken: number): OncesinkError {
  return new OncesinkError(
    'DATABASE_REFUSED',
    `${table} took ${taken} of ${sent} rows without an error. Something at the server drops rows: without it the counts ` +
      'will be right.',
  )
}

/**
 * The pair to what was checked when the job began: the table may be another one since, and the server would not say a
 * word. Without a unique index it inserts every row anew; by another one it merges rows of different keys; and a
 * column that takes two keys for one adds them up.
 * @throws OncesinkError DATABASE_REFUSED
 */
export function requireKeys(table: ResolvedTable, name: string, keys: readonly string[]): void {
  const onKeys = (columns: readonly string[]) =>
    columns.length === keys.length && keys.every((key) => columns.includes(key))
  const list = keys.join(', ')
  for (const key of keys) {
    const column = columnOf(table, name, key)
    if (['folded text', 'padded text', 'narrow text', 'single'].includes(column.class)) {
      throw refused(name, `key column '${key}' is ${column.type}: it does not keep them apart that differ`)
    }
  }
  if (!table.uniqueIndexes.some(({ columns }) => onKeys(columns))) {
    throw refused(name, `the table needs a primary key or unique index on exactly the key columns (${list})`)
  }
  const other = table.uniqueIndexes.find(({ columns }) => !onKeys(columns))
  if (!other) return
  throw refused(
    name,
    `its unique index '${other.name}' on (${other.columns.join(', ')}) would decide as well which row a new one is added to`,
  )
}

function refused(table: string, reason: string): OncesinkError {
  return new OncesinkError('DATABASE_REFUSED', `rows cannot be added to ${table} by their keys: ${reason}.`)
}
