import type { Decoder } from './decoder.ts'
import { TOMBSTONE } from './utf8.ts'

/**
 * Values as they are. Each is a copy of its own, so that keeping one does not keep a whole fetch response.
 * A record fails when its value is null (a tombstone).
 */
export function bytes(): Decoder<Uint8Array> {
  return {
    name: 'bytes',
    decode(buffer, start, end) {
      if (end === -1) throw new Error(TOMBSTONE)
      return new Uint8Array(buffer.subarray(start, end))
    },
  }
}
