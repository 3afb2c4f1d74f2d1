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
import type { Session } from './session.ts'

interface StoredLetter {
  readonly topic: string
  readonly partition: number
  readonly record_offset: string
  readonly incarnation: number
  readonly batch_id: string
  readonly timestamp_ms: string
  readonly key_length: string | null
  readonly value_length: string | null
  readonly truncated: boolean
  readonly error_code: string
  readonly stage: string
  readonly message: string
  readonly status: DeadLetterStatus
  readonly created_at: Date
}

interface StoredContent extends StoredLetter {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: string
  readonly stack: string | null
}

const summaryColumns =
  'topic, partition, record_offset, incarnation, batch_id, timestamp_ms, key_length, value_length, truncated, ' +
  'error_code, stage, message, status, created_at'

export async function writeDeadLetters(
  session: Session,
  job: string,
  letters: readonly DeadLetterWrite[],
): Promise<void> {
  for (const slice of inStatements(letters)) {
    const { rowCount } = await session.query(
      `INSERT INTO ${ownTable(session, 'dead_letters')}
         (job, topic, partition, record_offset, incarnation, batch_id, timestamp_ms, key, key_length, value,
          value_length, headers, truncated, error_code, stage, message, stack)
       SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::int[], $6::uuid[], $7::bigint[], $8::bytea[],
         $9::bigint[], $10::bytea[], $11::bigint[], $12::text[], $13::boolean[], $14::text[], $15::text[], $16::text[],
         $17::text[])`,
      [
        job,
        slice.map(({ letter }) => letter.topic),
        slice.map(({ letter }) => letter.partition),
        slice.map(({ letter }) => letter.offset),
        slice.map(({ incarnation }) => incarnation),
        slice.map(({ batchId }) => batchId),
        slice.map(({ letter }) => storableMs(letter.timestampMs)),
        slice.map(({ letter }) => letter.key && Buffer.from(letter.key.bytes)),
        slice.map(({ letter }) => letter.key?.length ?? null),
        slice.map(({ letter }) => letter.value && Buffer.from(letter.value.bytes)),
        slice.map(({ letter }) => letter.value?.length ?? null),
        slice.map(({ letter }) => headersText(letter.headers)),
        slice.map(({ letter }) => letter.truncated),
        slice.map(({ letter }) => letter.cause.code),
        slice.map(({ letter }) => storableText(letter.cause.stage)),
        slice.map(({ letter }) => storableText(letter.cause.message)),
        slice.map(({ letter }) => letter.cause.stack && storableText(letter.cause.stack)),
      ],
      { scope: 'own', doing: `write dead letters of job '${job}'` },
    )
    invariant(rowCount === slice.length, 'the dead letters were not all written')
  }
}

export async function countDeadLetters(session: Session, job: string, withinMs: number): Promise<number> {
  const { rows } = await session.query<{ count: string }>(
    `SELECT count(*) AS count FROM ${ownTable(session, 'dead_letters')}
     WHERE job = $1 AND created_at > clock_timestamp() - $2::float8 * interval '1 ms'`,
    [job, withinMs],
    purposeOf(job),
  )
  return Number(rows[0]?.count)
}

export async function listDeadLetters(
  session: Session,
  job: string,
  { topic, status, limit, after }: DeadLetterQuery,
): Promise<DeadLetterRow[]> {
  const { rows } = await session.query<StoredLetter>(
    `SELECT ${summaryColumns} FROM ${ownTable(session, 'dead_letters')}
     WHERE job = $1 AND ($2::text IS NULL OR topic = $2) AND ($3::text IS NULL OR status = $3)
       AND ($4::text IS NULL OR (topic, partition, record_offset, incarnation) > ($4, $5::int, $6::bigint, $7::int))
     ORDER BY topic, partition, record_offset, incarnation LIMIT $8`,
    [
      job,
      topic ?? null,
      status ?? null,
      after?.topic ?? null,
      after?.partition ?? null,
      after?.offset ?? null,
      after?.incarnation ?? null,
      limit,
    ],
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
    `SELECT ${summaryColumns}, key, value, headers, stack FROM ${ownTable(session, 'dead_letters')}
     WHERE job = $1 AND topic = $2 AND partition = $3 AND record_offset = $4 ORDER BY incarnation`,
    [job, topic, partition, offset],
    purposeOf(job),
  )
  return rows.map((row) => ({
    ...toRow(row),
    key: row.key,
    value: row.value,
    headers: headersFromText(row.headers),
    stack: row.stack,
  }))
}

function toRow(row: StoredLetter): DeadLetterRow {
  return {
    topic: row.topic,
    partition: row.partition,
    offset: BigInt(row.record_offset),
    incarnation: row.incarnation,
    batchId: row.batch_id,
    timestampMs: Number(row.timestamp_ms),
    keyLength: row.key_length === null ? null : Number(row.key_length),
    valueLength: row.value_length === null ? null : Number(row.value_length),
    truncated: row.truncated,
    code: row.error_code,
    stage: row.stage,
    message: row.message,
    status: row.status,
    createdAt: row.created_at,
  }
}

function purposeOf(job: string) {
  return { scope: 'own', doing: `read dead letters of job '${job}'` } as const
}
