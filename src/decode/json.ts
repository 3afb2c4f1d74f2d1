import type { Decoder } from './decoder.ts'
import { NoBytes, utf8Text } from './utf8.ts'

/**
 * Values are JSON texts in UTF-8. `T` is a claim about the data that nothing checks: a record of another form shows
 * where a function of the job trips over it.
 *
 * A record fails when its value is null (a tombstone), is not valid UTF-8, or is not JSON (which a leading byte order
 * mark is not either).
 */
export function json<T>(): Decoder<T> {
  return {
    name: 'json',
    decode(buffer, start, end) {
      if (end === -1) throw new NoBytes()
      const text = utf8Text(buffer, start, end)
      try {
        return JSON.parse(text) as T
      } catch (error) {
        if (text.charCodeAt(0) === 0xfeff) {
          throw new Error('the text begins with a byte order mark, which is not JSON', { cause: error })
        }
        throw new Error(`the text is not JSON: ${(error as Error).message}`, { cause: error })
      }
    },
  }
}
