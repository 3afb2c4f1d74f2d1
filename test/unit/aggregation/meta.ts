import type { RecordMeta } from '../../../src/model/record-meta.ts'

/** Meta data of a record that a test does not care about. */
export function metaAt(offset = 0n): RecordMeta {
  return { topic: 't', partition: 0, offset, timestampMs: 0, key: null, headers: new Map() }
}
