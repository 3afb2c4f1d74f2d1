import type { UpsertWrite } from '../dialect.ts'
import { quoteIdentifier } from './identifiers.ts'
import { rowsVanished } from './merge-rows.ts'
import { arraysAsRows, rowArrays } from './row-arrays.ts'
import type { Session } from './session.ts'
import type { ResolvedTable, TableCatalog } from './table-catalog.ts'

/**
 * Replaces rows by key: DELETE, then INSERT ... ON CONFLICT (keys) DO UPDATE. Deletes come first, so that a value which
 * has moved from a deleted row to another one meets no second unique index.
 */
export async function upsertRows(
  session: Session,
  tables: TableCatalog,
  write: UpsertWrite,
): Promise<number> {
  const table = await tables.resolve(write.table)
  try {
    return (await deleteRows(session, table, write)) + (await replaceRows(session, table, write))
  } catch (error) {
    tables.forget(write.table)
    throw error
  }
}

async function deleteRows(session: Session, table: ResolvedTable, write: UpsertWrite): Promise<number> {
  if (write.deletes.length === 0) return 0
  const { from, selected } = arraysAsRows(table, write.table, write.keys)
  const matches = write.keys.map((key, i) => `t.${quoteIdentifier(key)} = ${selected[i]}`)
  const sql = `DELETE FROM ${table.qualifiedName} AS t USING ${from} WHERE ${matches.join(' AND ')}`
  let sent = 0
  for (const chunk of rowArrays(table, write, write.keys, write.deletes)) {
    await session.query(sql, chunk.values, { scope: 'sink', doing: `delete rows of ${write.table}` })
    sent += chunk.rows
  }
  return sent
}

async function replaceRows(session: Session, table: ResolvedTable, write: UpsertWrite): Promise<number> {
  if (write.rows.length === 0) return 0
  const columns = [...write.keys, ...write.columns]
  const { from, selected } = arraysAsRows(table, write.table, columns)
  const sql = `INSERT INTO ${table.qualifiedName} AS t (${columns.map(quoteIdentifier).join(', ')})
    SELECT ${selected.join(', ')} FROM ${from}
    ON CONFLICT (${write.keys.map(quoteIdentifier).join(', ')}) DO UPDATE SET ${updatesOf(table, write).join(', ')}`
  let sent = 0
  for (const chunk of rowArrays(table, write, columns, write.rows)) {
    const purpose = { scope: 'sink', doing: `upsert rows into ${write.table}` } as const
    const { rowCount } = await session.query(sql, chunk.values, purpose)
    if (rowCount !== chunk.rows) throw rowsVanished(write.table, chunk.rows, rowCount)
    sent += chunk.rows
  }
  return sent
}

/** EXCLUDED is the row as it would be inserted, with the defaults of the columns that the write does not name. */
function updatesOf(table: ResolvedTable, { keys, columns }: UpsertWrite): string[] {
  const replaced = [...table.columnTypes]
    .filter(([column, { selfMade }]) => columns.includes(column) || !(selfMade || keys.includes(column)))
    .map(([column]) => quoteIdentifier(column))
  // Keys alone: a row that is there already must count as taken too.
  if (replaced.length === 0) return keys.map(quoteIdentifier).map((key) => `${key} = t.${key}`)
  return replaced.map((column) => `${column} = EXCLUDED.${column}`)
}
