import type { Decoder } from './decoder.ts'
import { NoBytes, utf8Text } from './utf8.ts'

/** Values are texts in UTF-8. A record fails when its value is null (a tombstone) or is not valid UTF-8. */
export function string(): Decoder<string> {
  return {
    name: 'string',
    decode(buffer, start, end) {
      if (end === -1) throw new NoBytes()
      return utf8Text(buffer, start, end)
    },
  }
}
