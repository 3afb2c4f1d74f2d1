import type { RecordMeta } from '../model/record-meta.ts'
import type { Decoder } from './decoder.ts'

/**
 * A decoder of the job's own. `bytes` is a view of the fetched data (copy what is to be kept), or null for a record
 * without a value (a tombstone). Pure and synchronous; a record for which it throws stops the job.
 */
export type DecodeFunction<T> = (bytes: Uint8Array | null, meta: RecordMeta) => T

/** The decoder that calls `decode`. */
export function decoderFromFunction<T>(decode: DecodeFunction<T>): Decoder<T> {
  return {
    name: 'function',
    decode: (buffer, start, end, meta) => decode(end === -1 ? null : buffer.subarray(start, end), meta),
  }
}
