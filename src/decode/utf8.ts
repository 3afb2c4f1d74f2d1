import { isUtf8 } from 'node:buffer'

/** Why a decoder that needs a value refuses a record without one. */
export const TOMBSTONE =
  'the value is null (a tombstone); to handle such records decode with a function (bytes, meta) => ...'

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
    throw new Error('the value is not valid UTF-8')
  }
  return text
}
