import { type PlainRecord, segmentFromRecords } from '../../../src/source/record-segment.ts'
import type { FetchedRange } from '../../../src/source/source.ts'

/** A range with one slice that holds all of `records`; it begins at the first one's offset and ends after the last. */
export function rangeOf(records: readonly PlainRecord[], partition = 0, topic = 'orders'): FetchedRange {
  const segment = segmentFromRecords(topic, partition, records)
  return {
    range: {
      topic,
      partition,
      from: BigInt(records[0]?.offset ?? 0),
      until: BigInt((records.at(-1)?.offset ?? 0) + 1),
    },
    records: records.length,
    bytes: segment.buffer.length,
    slices: [{ segment, begin: 0, end: records.length }],
    leaderEpoch: 3,
  }
}

/** Records at `offset`, `offset + 1`, ... with these values as JSON. */
export function jsonRecords(values: readonly unknown[], offset = 0): PlainRecord[] {
  return values.map((value, i) => ({ offset: offset + i, value: JSON.stringify(value) }))
}
