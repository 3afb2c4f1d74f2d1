import type { Decoder } from './decoder.ts'
import { NoBytes } from './utf8.ts'

/**
 * Values as they are. Each is a copy of its own, so that keeping one does not keep a whole fetch response.
 * A record without a value (a tombstone) fails.
 */
export function bytes(): Decoder<Uint8Array> {
  return {
    name: 'bytes',
    decode(buffer, start, end) {
      if (end === -1) throw new NoBytes()
      return new Uint8Array(buffer.subarray(start, end))
    },
  }
}
