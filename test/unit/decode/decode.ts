import type { Decoder } from '../../../src/decode/decoder.ts'
import type { RecordMeta } from '../../../src/model/record-meta.ts'

export const meta: RecordMeta = {
  topic: 't',
  partition: 0,
  offset: 0n,
  timestampMs: 0,
  key: null,
  headers: new Map(),
}

/** Decodes `value` from the middle of a larger buffer, as in a fetch response. */
export function decode<T>(decoder: Decoder<T>, value: Uint8Array | string | null): T {
  if (value === null) return decoder.decode(Buffer.from('before'), 3, -1, meta)
  const own = Buffer.from(value)
  const buffer = Buffer.concat([Buffer.from('{"'), own, Buffer.from([0xff])])
  return decoder.decode(buffer, 2, 2 + own.length, meta)
}
