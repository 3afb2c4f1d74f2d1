import { stdout } from 'node:process'
import type { Connection, DeadLetterContent, DeadLetterRow, DeadLetterStatus } from '../database/dialect.ts'
import { inSnapshot } from '../database/in-snapshot.ts'
import { hasOwnTables } from '../database/own-tables.ts'
import { ExitCode as Exit, type ExitCode, OncesinkError, type RecordCoordinates } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { loadJob } from '../job/load-job.ts'
import { printable } from '../model/excerpt.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { createDialect } from '../wire.ts'
import { type OutputFormat, printTable } from './output.ts'

export interface ListOptions {
  readonly topic?: string
  readonly status?: DeadLetterStatus
  readonly limit: number
}

/** Characters of a message in the table. `dlq show` has it whole. */
const SHOWN_CHARACTERS = 80

/** `oncesink dlq list`: one line per dead letter, in log order. */
export async function listDeadLetters(
  file: string,
  options: ListOptions,
  format: OutputFormat,
): Promise<ExitCode> {
  const job = await loadJob(file)
  const rows = await look(job, [], (connection) =>
    // One more than asked for tells whether there are more.
    inSnapshot(connection, (trx) => trx.listDeadLetters(job.name, { ...options, limit: options.limit + 1 })),
  )
  const shown = rows.slice(0, options.limit)
  printTable(format, format === 'json' ? shown.map(summary) : shown.map(lineOf), '(no dead letters)')
  if (rows.length > shown.length && format === 'table') stdout.write('... and more (--limit)\n')
  return Exit.ok
}

/** `oncesink dlq show`: everything that is kept of one record. */
export async function showDeadLetter(
  file: string,
  coordinates: string,
  format: OutputFormat,
): Promise<ExitCode> {
  const record = parseCoordinates(coordinates)
  const job = await loadJob(file)
  const found = await look(job, [], (connection) =>
    inSnapshot(connection, (trx) => trx.readDeadLetters(job.name, record)),
  )
  if (found.length === 0) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `job '${job.name}' has no dead letter ${coordinates}; 'oncesink dlq list' shows which it has`,
    )
  }
  const text = format === 'json' ? JSON.stringify(found.map(contentObject)) : found.map(describe).join('\n\n')
  stdout.write(`${text}\n`)
  return Exit.ok
}

/**
 * `orders/0/17`: the last two parts are numbers, so that a topic may be called anything.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export function parseCoordinates(text: string): RecordCoordinates {
  const [, topic, partition, offset] = /^(.+)\/(\d{1,10})\/(\d{1,19})$/s.exec(text) ?? []
  if (topic === undefined || partition === undefined || offset === undefined) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `'${printable(text)}' names no record: write topic/partition/offset, for example orders/0/17`,
    )
  }
  return { topic, partition: Number(partition), offset: BigInt(offset) }
}

async function look<T>(job: Job, none: T, read: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await createDialect(job, systemRuntime).connect({ job: job.name, owner: 'inspect' })
  try {
    return (await hasOwnTables(connection)) ? await read(connection) : none
  } finally {
    await connection.close()
  }
}

function lineOf(row: DeadLetterRow) {
  const { message } = row
  return {
    record: `${row.topic}/${row.partition}/${row.offset}`,
    status: row.status,
    setAsideAt: row.createdAt.toISOString(),
    bytes: row.valueLength,
    stage: row.stage,
    message: message.length > SHOWN_CHARACTERS ? `${message.slice(0, SHOWN_CHARACTERS)}…` : message,
  }
}

function summary(row: DeadLetterRow) {
  return {
    topic: row.topic,
    partition: row.partition,
    offset: row.offset,
    incarnation: row.incarnation,
    status: row.status,
    code: row.code,
    stage: row.stage,
    message: row.message,
    batchId: row.batchId,
    timestampMs: row.timestampMs,
    keyLength: row.keyLength,
    valueLength: row.valueLength,
    truncated: row.truncated,
    createdAt: row.createdAt.toISOString(),
  }
}

/** Bytes in base64 for programs, which want all of them. */
function contentObject(content: DeadLetterContent) {
  const base64 = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('base64')
  return {
    ...summary(content),
    offset: Number(content.offset),
    keyBase64: base64(content.key),
    valueBase64: base64(content.value),
    headers: content.headers.map(([name, value]) => ({ name, valueBase64: base64(value) })),
    stack: content.stack,
  }
}

/** For people: text where the bytes are text, else hex. */
function describe(content: DeadLetterContent): string {
  const lines = [`${content.topic}/${content.partition}/${content.offset}: ${content.status}`]
  const add = (label: string, text: string) => lines.push(`  ${label.padEnd(12)}${indented(text)}`)
  add('failed in', `${printable(content.stage)} (${content.code})`)
  add('because', content.message)
  add('set aside', `${content.createdAt.toISOString()} by batch ${content.batchId}`)
  if (content.incarnation > 0) add('incarnation', String(content.incarnation))
  add('timestamp', momentText(content.timestampMs))
  add('key', bytesText(content.key, content.keyLength))
  for (const [name, value] of content.headers)
    add('header', `${printable(name)}: ${bytesText(value, value?.length ?? null)}`)
  add('value', bytesText(content.value, content.valueLength))
  if (content.truncated)
    add(
      'cut',
      'not all of the record is kept; while retention leaves it there, it is whole in the topic, at this offset',
    )
  if (content.stack) add('stack', content.stack)
  return lines.join('\n')
}

/** Any 64 bits may be in a record: not all of them are a date. */
function momentText(timestampMs: number): string {
  const date = new Date(timestampMs)
  return Number.isNaN(date.getTime()) ? `${timestampMs} ms since 1970` : date.toISOString()
}

function bytesText(bytes: Uint8Array | null, length: number | null): string {
  if (bytes === null || length === null) return 'null'
  const size = bytes.length < length ? `the first ${bytes.length} of ${length} bytes` : `${length} bytes`
  // A cut may go through the middle of a character.
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  try {
    return `(${size}) ${text.decode(bytes, { stream: bytes.length < length })}`
  } catch {
    // Not UTF-8: that is what is being found out.
    return `(${size}, hex) ${Buffer.from(bytes).toString('hex')}`
  }
}

/** Later lines under the first one; control characters would let data move the terminal's cursor. */
function indented(text: string): string {
  return text
    .split('\n')
    .map(printable)
    .join(`\n${' '.repeat(14)}`)
}
