import { type CopyFromStream, from as copyFrom } from 'pg-copy-streams'
import { asError, invariant } from '../../errors.ts'
import type { FaultPoints } from '../../runtime/fault-points.ts'
import type { AppendWrite } from '../dialect.ts'
import { copyText } from './copy-text.ts'
import { quoteIdentifier } from './identifiers.ts'
import { rowsVanished } from './merge-rows.ts'
import type { Session } from './session.ts'
import { columnType, type TableCatalog } from './table-catalog.ts'

/** Rows are turned into text and handed to the socket in pieces of this size; the next waits until one is taken. */
const PIECE_CHARACTERS = 64 * 1024

/** Inserts rows by COPY. */
export async function appendRows(
  session: Session,
  tables: TableCatalog,
  faultPoints: FaultPoints,
  write: AppendWrite,
): Promise<number> {
  if (write.rows.length === 0) return 0
  for (const row of write.rows) {
    invariant(row.length === write.columns.length, `a row for ${write.table} has ${row.length} values`)
  }
  const table = await tables.resolve(write.table)
  const holds = write.columns.map((column) => columnType(table, write.table, column).holds)
  const pieces = copyText(write, holds, PIECE_CHARACTERS)
  return copyInto(session, tables, faultPoints, { ...write, rows: write.rows.length, pieces })
}

export interface CopyWrite {
  readonly table: string
  readonly columns: readonly string[]
  readonly rows: number
  /** In COPY's text format. */
  readonly pieces: Iterable<string | Uint8Array>
}

/**
 * One COPY into a table.
 * @returns the rows that the server has counted
 * @throws OncesinkError DATABASE_REFUSED when they are not as many as were sent
 */
export async function copyInto(
  session: Session,
  tables: TableCatalog,
  faultPoints: FaultPoints,
  write: CopyWrite,
): Promise<number> {
  const table = await tables.resolve(write.table)
  const sql = `COPY ${table.qualifiedName} (${write.columns.map(quoteIdentifier).join(', ')}) FROM STDIN`
  try {
    const taken = await session.guard({ scope: 'sink', doing: `append rows to ${write.table}` }, () =>
      session.withinAnswerTime(copy(session, sql, write.pieces, faultPoints)),
    )
    if (taken !== write.rows) throw rowsVanished(write.table, write.rows, taken)
    return taken
  } catch (error) {
    tables.forget(write.table)
    throw error
  }
}

/**
 * One COPY from its beginning to the server's answer. If the rows or a fault point fail, the COPY is cancelled and
 * its end awaited, so that the session can roll back.
 */
async function copy(
  session: Session,
  sql: string,
  pieces: Iterable<string | Uint8Array>,
  faultPoints: FaultPoints,
): Promise<number> {
  const stream = copyFrom(sql)
  let answered = false
  const failed = new Promise<never>((_, reject) => {
    stream.on('error', (error) => {
      answered = true
      reject(error)
    })
  })
  // It is raced with what is waited for below; while nothing waits, it must not count as unhandled.
  failed.catch(() => {})
  session.client.query(stream)
  try {
    for (const piece of pieces) {
      await Promise.race([failed, write(stream, piece)])
      await faultPoints.reach('transaction.copying')
    }
    await Promise.race([failed, end(stream)])
    return stream.rowCount
  } catch (error) {
    if (!answered) await cancel(stream, asError(error))
    throw error
  }
}

/** Tells the server that the COPY has failed, and resolves when it has answered (or the connection is lost). */
function cancel(stream: CopyFromStream, reason: Error): Promise<void> {
  return new Promise((resolve) => {
    stream.once('close', () => resolve())
    stream.destroy(reason)
  })
}

/** Resolves when the socket has taken the piece, which is after the server has agreed to the COPY. */
function write(stream: NodeJS.WritableStream, piece: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(piece, (error) => (error ? reject(error) : resolve()))
  })
}

/** Resolves when the server has counted the rows. */
function end(stream: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => stream.end(resolve))
}
