import { invariant } from '../../errors.ts'
import type { ColumnValue } from '../../model/values.ts'
import type { ColumnDescription, UpsertWrite } from '../dialect.ts'
import { columnLiteralOf } from './column-text.ts'
import { quoteIdentifier } from './identifiers.ts'
import { insertInto, limitsOf, requireKeys, rowsVanished, sendRows } from './insert-rows.ts'
import { keptKeys, ROW_ALIAS, type RowNames, rowNames } from './merge-updates.ts'
import { rowLiterals } from './row-literals.ts'
import type { Session } from './session.ts'
import { columnOf, type ResolvedTable, type TableCatalog } from './table-catalog.ts'

/** Keys of one DELETE: more, and the server would no longer look each of them up in the index. */
const DELETE_MAX_ROWS = 1_000
const DELETE_MAX_BYTES = 256 * 1024

/** Replaces rows by key: DELETE, then INSERT ... ON DUPLICATE KEY UPDATE. */
export async function upsertRows(
  session: Session,
  tables: TableCatalog,
  write: UpsertWrite,
): Promise<number> {
  const table = await tables.resolve(write.table)
  try {
    requireKeys(table, write.table, write.keys)
    const sent = await deleteRows(session, table, write)
    return sent + (await replaceRows(session, table, write, tables.hasRowAlias))
  } catch (error) {
    tables.forget(write.table)
    throw error
  }
}

async function deleteRows(session: Session, table: ResolvedTable, write: UpsertWrite): Promise<number> {
  const columns = write.keys.map((key) => columnOf(table, write.table, key))
  const purpose = { scope: 'sink', doing: `delete rows of ${write.table}` } as const
  for (const conditions of conditionsOf(write, columns)) {
    await session.query(`DELETE FROM ${table.qualifiedName} WHERE ${conditions.join(' OR ')}`, [], purpose)
  }
  return write.deletes.length
}

/** `(a = 1 AND b = 'x')` for each key, cut into statements. */
function* conditionsOf(
  { table, deletes }: UpsertWrite,
  columns: readonly ColumnDescription[],
): Generator<string[]> {
  let conditions: string[] = []
  let bytes = 0
  for (const [row, key] of deletes.entries()) {
    invariant(key.length === columns.length, `a key to delete from ${table} has ${key.length} values`)
    const condition = `(${columns.map((holds, i) => equals(holds, key[i], table, row)).join(' AND ')})`
    const size = Buffer.byteLength(condition)
    if (conditions.length > 0 && (conditions.length >= DELETE_MAX_ROWS || bytes + size > DELETE_MAX_BYTES)) {
      yield conditions
      conditions = []
      bytes = 0
    }
    conditions.push(condition)
    bytes += size
  }
  if (conditions.length > 0) yield conditions
}

function equals(
  holds: ColumnDescription,
  value: ColumnValue | undefined,
  table: string,
  row: number,
): string {
  return `${quoteIdentifier(holds.name)} = ${columnLiteralOf(value, { table, column: holds.name, row, holds })}`
}

async function replaceRows(
  session: Session,
  table: ResolvedTable,
  write: UpsertWrite,
  hasRowAlias: boolean,
): Promise<number> {
  const names = [...write.keys, ...write.columns]
  const columns = names.map((name) => columnOf(table, write.table, name))
  const updates = updatesOf(table, write, rowNames(table, hasRowAlias))
  const frame = {
    table: write.table,
    before: insertInto(table, names),
    after: `${hasRowAlias ? ` AS ${ROW_ALIAS}` : ''} ON DUPLICATE KEY UPDATE ${updates.join(', ')}`,
  }
  let sent = 0
  for (const rows of rowLiterals({ ...write, columns }, limitsOf(session, frame))) {
    const affected = await sendRows(session, frame, rows, {
      scope: 'sink',
      doing: `upsert rows into ${write.table}`,
    })
    // An inserted row counts once, an updated one once or twice.
    if (affected < rows.rows) throw rowsVanished(write.table, rows.rows, affected)
    sent += rows.rows
  }
  return sent
}

/**
 * A column that the write does not name gets what an insert would give it, unless the server computes that. One that has
 * to be given is refused by the insert, but MariaDB takes `= DEFAULT` for giving it, and would write an empty text.
 */
function updatesOf(table: ResolvedTable, { keys, columns }: UpsertWrite, names: RowNames): string[] {
  const replaced = columns.map((column) => `${quoteIdentifier(column)} = ${names.after(column)}`)
  const reset = [...table.columns.values()]
    .filter(({ name, nullable, hasDefault }) => {
      const isWritten = table.selfMade.has(name) || keys.includes(name) || columns.includes(name)
      return !isWritten && (nullable || hasDefault)
    })
    .map(({ name }) => `${quoteIdentifier(name)} = DEFAULT`)
  const updates = [...replaced, ...reset]
  return [...keptKeys(table, keys, updates.length === 0, names), ...updates]
}
