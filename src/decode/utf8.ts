import { isUtf8 } from 'node:buffer'

/** Thrown by decoders that need bytes where a record has none. What they say is about the record's value. */
export class NoBytes extends Error {
  constructor() {
    super('the value is null (a tombstone): decode with nullable(...) to take such records as null')
  }
}

const REPLACEMENT = '\ufffd'

/**
 * The text of `buffer[start, end)`.
 *
 * Invalid sequences decode to U+FFFD, so only a text that contains one (rare) needs a look at its bytes.
 * @throws Error when the bytes are not valid UTF-8
 */
export function utf8Text(buffer: Buffer, start: number, end: number): string {
  const text = buffer.toString('utf8', start, end)
  if (text.includes(REPLACEMENT) && !isUtf8(buffer.subarray(start, end))) {
    throw new Error('the bytes are not valid UTF-8')
  }
  return text
}
