import { Readable } from 'node:stream'
import { OncesinkError } from '../../errors.ts'
import { type RowText, rowTextValues, splitFirstRow } from '../../model/row-text.ts'
import type { FaultPoints } from '../../runtime/fault-points.ts'
import type { AppendTextWrite } from '../dialect.ts'
import { appendRows } from './append-rows.ts'
import { asServerError } from './errors.ts'
import { quoteIdentifier } from './identifiers.ts'
import type { Session } from './session.ts'
import type { ResolvedTable, TableCatalog } from './table-catalog.ts'

/** Bytes of one statement. The driver takes them as fast as they come, and holds what the socket does not take. */
const STATEMENT_BYTES = 4 * 1024 * 1024
/** Bytes of one packet at most, whatever a row has. */
const PACKET_BYTES = 256 * 1024
/** What is left of the server's max_allowed_packet, in bytes. */
const PACKET_OVERHEAD_BYTES = 64
/** The name is the transaction's own: the canary's is random. */
const SAVEPOINT = quoteIdentifier('oncesink_load')
/**
 * What servers say of LOAD DATA LOCAL where it is off: MySQL before 8.0.16, since then, MariaDB, and ProxySQL, which does not
 * ask the server. Nothing has happened then.
 */
const REFUSED: ReadonlySet<number | undefined> = new Set([1_148, 3_948, 4_166, 1_047])

/**
 * Inserts rows by LOAD DATA LOCAL, the first one by INSERT: MySQL loads 0 and '', without a word, into a column that is not
 * written and must have a value. INSERT refuses that, and from then on the table stays as it is until the transaction ends.
 * @returns false when not all of them are there as they were sent: then none is, and the transaction goes on
 * @throws OncesinkError what the session throws
 */
export async function loadData(
  session: Session,
  tables: TableCatalog,
  faultPoints: FaultPoints,
  table: ResolvedTable,
  write: AppendTextWrite,
): Promise<boolean> {
  const own = { scope: 'own', doing: 'mark where rows begin with a savepoint' } as const
  const purpose = { scope: 'sink', doing: `append rows to ${write.table}` } as const
  const sql = statement(table, write)
  await session.query(`SAVEPOINT ${SAVEPOINT}`, [], own)
  const [first, rest] = splitFirstRow(write.text)
  const packetBytes = Math.min(PACKET_BYTES, session.maxAllowedPacket - PACKET_OVERHEAD_BYTES)
  await appendRows(session, tables, faultPoints, { ...write, rows: rowTextValues(first) })
  let [taken, warnings] = [0, 0]
  for (const pieces of statements(rest)) {
    const infile = () =>
      Readable.from(packets(pieces, packetBytes), { objectMode: false, highWaterMark: packetBytes })
    try {
      const answer = await session.query(sql, [], purpose, { infile })
      taken += answer.affectedRows
      warnings += answer.warnings
    } catch (error) {
      if (!isRefused(error)) throw error
      session.localInfile = false
    }
    if (warnings > 0 || !session.localInfile) break
    await faultPoints.reach('transaction.copying')
  }
  const whole = session.localInfile && warnings === 0 && taken === rest.rows
  if (!whole) await session.query(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}`, [], own)
  await session.query(`RELEASE SAVEPOINT ${SAVEPOINT}`, [], own)
  return whole
}

function isRefused(error: unknown): boolean {
  return (
    error instanceof OncesinkError &&
    error.code === 'DATABASE_REFUSED' &&
    REFUSED.has(asServerError(error.cause)?.errno)
  )
}

/** Moments have a `Z` at their end, which no server takes. */
function statement(table: ResolvedTable, { columns, text }: AppendTextWrite): string {
  const names = columns.map(quoteIdentifier)
  const isMoment = (i: number) => text.columns[i]?.kind === 'moment'
  const into = names.map((name, i) => (isMoment(i) ? `@oncesink_${i}` : name))
  const set = names.flatMap((name, i) => (isMoment(i) ? [`${name} = LEFT(@oncesink_${i}, 23)`] : []))
  return (
    `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${table.qualifiedName} CHARACTER SET utf8mb4 ` +
    `FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' (${into.join(', ')})` +
    (set.length > 0 ? ` SET ${set.join(', ')}` : '')
  )
}

/** The pieces of one statement after the other. */
function* statements({ pieces }: RowText): Generator<Uint8Array[]> {
  let taken: Uint8Array[] = []
  let bytes = 0
  for (const piece of pieces) {
    taken.push(piece)
    bytes += piece.length
    if (bytes < STATEMENT_BYTES) continue
    yield taken
    taken = []
    bytes = 0
  }
  if (taken.length > 0) yield taken
}

/** The driver wants Buffers. */
function* packets(pieces: readonly Uint8Array[], most: number): Generator<Buffer> {
  for (const { buffer, byteOffset, length } of pieces) {
    for (let at = 0; at < length; at += most) {
      yield Buffer.from(buffer, byteOffset + at, Math.min(most, length - at))
    }
  }
}
