import { invariant, type RecordCoordinates } from '../../errors.ts'
import { headersFromText, headersText, inStatements, storableMs, storableText } from '../dead-letter-text.ts'
import type {
  DeadLetterContent,
  DeadLetterQuery,
  DeadLetterRow,
  DeadLetterStatus,
  DeadLetterWrite,
} from '../dialect.ts'
import { ownTable } from './own-tables.ts'
import type { Session, SqlValue, TextRow } from './session.ts'
import { dateOf } from './stored-values.ts'

interface StoredLetter extends TextRow {
  readonly topic: string
  readonly partition: string
  readonly record_offset: string
  readonly incarnation: string
  readonly batch_id: string
  readonly timestamp_ms: string
  readonly key_length: string | null
  readonly value_length: string | null
  readonly truncated: string
  readonly error_code: string
  readonly stage: string
  readonly message: string
  readonly status: DeadLetterStatus
  readonly created_at: string
}

interface StoredContent extends StoredLetter {
  /** In hexadecimal, like value. */
  readonly key_hex: string | null
  readonly value_hex: string | null
  readonly headers: string
  readonly stack: string | null
}

const summaryColumns =
  'topic, `partition`, record_offset, incarnation, batch_id, timestamp_ms, key_length, value_length, truncated, ' +
  'error_code, stage, message, status, created_at'

export async function writeDeadLetters(
  session: Session,
  job: string,
  letters: readonly DeadLetterWrite[],
): Promise<void> {
  for (const slice of inStatements(letters)) {
    const { affectedRows } = await session.query(
      `INSERT INTO ${ownTable(session, 'dead_letters')}
         (job, topic, \`partition\`, record_offset, incarnation, batch_id, timestamp_ms, \`key\`, key_length, value,
          value_length, headers, truncated, error_code, stage, message, stack)
       VALUES ${slice.map(() => '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').join(', ')}`,
      slice.flatMap((write) => valuesOf(job, write)),
      { scope: 'own', doing: `write dead letters of job '${job}'` },
    )
    invariant(affectedRows === slice.length, 'the dead letters were not all written')
  }
}

function valuesOf(job: string, { letter, incarnation, batchId }: DeadLetterWrite): SqlValue[] {
  const { cause } = letter
  return [
    job,
    letter.topic,
    letter.partition,
    letter.offset,
    incarnation,
    batchId,
    storableMs(letter.timestampMs),
    letter.key && Buffer.from(letter.key.bytes),
    letter.key?.length ?? null,
    letter.value && Buffer.from(letter.value.bytes),
    letter.value?.length ?? null,
    headersText(letter.headers),
    letter.truncated ? 1 : 0,
    cause.code,
    storableText(cause.stage),
    storableText(cause.message),
    cause.stack && storableText(cause.stack),
  ]
}

export async function countDeadLetters(session: Session, job: string, withinMs: number): Promise<number> {
  const { rows } = await session.query<{ count: string }>(
    `SELECT count(*) AS count FROM ${ownTable(session, 'dead_letters')}
     WHERE job = ? AND created_at > sysdate(6) - INTERVAL ? MICROSECOND`,
    [job, Math.round(withinMs * 1_000)],
    purposeOf(job),
  )
  return Number(rows[0]?.count)
}

export async function listDeadLetters(
  session: Session,
  job: string,
  { topic, status, limit, after }: DeadLetterQuery,
): Promise<DeadLetterRow[]> {
  const conditions = ['job = ?']
  const values: SqlValue[] = [job]
  const require = (condition: string, ...more: SqlValue[]) => {
    conditions.push(condition)
    values.push(...more)
  }
  if (topic !== undefined) require('topic = ?', topic)
  if (status !== undefined) require('status = ?', status)
  if (after) {
    require('(topic, `partition`, record_offset, incarnation) > (?, ?, ?, ?)', after.topic, after.partition, after.offset, after.incarnation)
  }
  const { rows } = await session.query<StoredLetter>(
    `SELECT ${summaryColumns} FROM ${ownTable(session, 'dead_letters')} WHERE ${conditions.join(' AND ')}
     ORDER BY topic, \`partition\`, record_offset, incarnation LIMIT ?`,
    [...values, limit],
    purposeOf(job),
  )
  return rows.map(toRow)
}

export async function readDeadLetters(
  session: Session,
  job: string,
  { topic, partition, offset }: RecordCoordinates,
): Promise<DeadLetterContent[]> {
  const { rows } = await session.query<StoredContent>(
    `SELECT ${summaryColumns}, hex(\`key\`) AS key_hex, hex(value) AS value_hex, headers, stack
     FROM ${ownTable(session, 'dead_letters')}
     WHERE job = ? AND topic = ? AND \`partition\` = ? AND record_offset = ? ORDER BY incarnation`,
    [job, topic, partition, offset],
    purposeOf(job),
  )
  return rows.map((row) => ({
    ...toRow(row),
    key: bytesOf(row.key_hex),
    value: bytesOf(row.value_hex),
    headers: headersFromText(row.headers),
    stack: row.stack,
  }))
}

function bytesOf(hex: string | null): Buffer | null {
  return hex === null ? null : Buffer.from(hex, 'hex')
}

function toRow(row: StoredLetter): DeadLetterRow {
  return {
    topic: row.topic,
    partition: Number(row.partition),
    offset: BigInt(row.record_offset),
    incarnation: Number(row.incarnation),
    batchId: row.batch_id,
    timestampMs: Number(row.timestamp_ms),
    keyLength: row.key_length === null ? null : Number(row.key_length),
    valueLength: row.value_length === null ? null : Number(row.value_length),
    truncated: row.truncated !== '0',
    code: row.error_code,
    stage: row.stage,
    message: row.message,
    status: row.status,
    createdAt: dateOf(row.created_at),
  }
}

function purposeOf(job: string) {
  return { scope: 'own', doing: `read dead letters of job '${job}'` } as const
}
