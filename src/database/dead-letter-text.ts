import type { DeadLetter } from '../model/dead-letter.ts'
import type { DeadLetterWrite } from './dialect.ts'

/*
 * How dead letters are written down, the same on every engine: hostile names and messages must not keep a record from
 * becoming a dead letter.
 */

/** Bytes of keys, values and headers that one statement carries: a batch of large records is written in several. */
const MAX_STATEMENT_BYTES = 4 * 2 ** 20

/** Cuts a batch's dead letters into what one statement each may carry; at least one. */
export function* inStatements(letters: readonly DeadLetterWrite[]): Generator<readonly DeadLetterWrite[]> {
  let slice: DeadLetterWrite[] = []
  let bytes = 0
  for (const write of letters) {
    const size = sizeOf(write.letter)
    if (slice.length > 0 && bytes + size > MAX_STATEMENT_BYTES) {
      yield slice
      slice = []
      bytes = 0
    }
    slice.push(write)
    bytes += size
  }
  if (slice.length > 0) yield slice
}

function sizeOf({ key, value, headers }: DeadLetter): number {
  const ofHeaders = headers.reduce((sum, [name, bytes]) => sum + name.length + (bytes?.length ?? 0), 0)
  return (key?.bytes.length ?? 0) + (value?.bytes.length ?? 0) + ofHeaders
}

/** Headers as JSON: values in base64, control characters escaped. */
export function headersText(headers: DeadLetter['headers']): string {
  return JSON.stringify(
    headers.map(([name, value]) => [name, value && Buffer.from(value).toString('base64')]),
  )
}

export function headersFromText(text: string): (readonly [string, Uint8Array | null])[] {
  const headers = JSON.parse(text) as [string, string | null][]
  return headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value, 'base64')])
}

/** A record's timestamp as a BIGINT: producers may send any 64 bits, of which numbers hold 53. */
export function storableMs(timestampMs: number): number {
  const limit = Number.MAX_SAFE_INTEGER
  return Math.trunc(Math.min(limit, Math.max(-limit, timestampMs)))
}

/** Text without the one character that PostgreSQL's text cannot hold. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '\\0')
}
