import type { Decoder } from './decoder.ts'
import { NoBytes } from './utf8.ts'

/** `decoder` for keys: what it says of records that have none is said of the key. */
export function keyDecoder<K>(decoder: Decoder<K>): Decoder<K> {
  return {
    name: decoder.name,
    decode(buffer, start, end, meta) {
      try {
        return decoder.decode(buffer, start, end, meta)
      } catch (error) {
        if (!(error instanceof NoBytes)) throw error
        throw new Error('the record has no key (null): decode keys with nullable(...) to take it as null', {
          cause: error,
        })
      }
    },
  }
}
