import type { RecordSegment } from './record-segment.ts'
import { VarintCursor } from './varint.ts'

const noHeaders: ReadonlyMap<string, Uint8Array | null> = new Map()

/** Offset of the record with index `i`. */
export function recordOffset(segment: RecordSegment, i: number): number {
  return segment.baseOffset + (segment.offsetDeltas[i] ?? 0)
}

/** Key bytes of the record with index `i` (a view into the segment's buffer, not a copy), or null. */
export function recordKey(segment: RecordSegment, i: number): Uint8Array | null {
  const end = segment.keyEnd[i] ?? -1
  return end === -1 ? null : segment.buffer.subarray(segment.keyStart[i], end)
}

/** Value bytes of the record with index `i` (a view into the segment's buffer, not a copy), or null. */
export function recordValue(segment: RecordSegment, i: number): Uint8Array | null {
  const end = segment.valueEnd[i] ?? -1
  return end === -1 ? null : segment.buffer.subarray(segment.valueStart[i], end)
}

/**
 * Headers of the record with index `i` by name; where a name occurs several times the last one counts. Values are
 * views into the segment's buffer, not copies.
 */
export function recordHeaders(segment: RecordSegment, i: number): ReadonlyMap<string, Uint8Array | null> {
  const list = recordHeaderList(segment, i)
  return list.length === 0 ? noHeaders : new Map(list)
}

/** All headers of the record with index `i` in their order, repeated names included; values are views. */
export function recordHeaderList(
  segment: RecordSegment,
  i: number,
): (readonly [name: string, value: Uint8Array | null])[] {
  const cursor = new VarintCursor(segment.buffer, segment.headersStart[i])
  const count = cursor.int32()
  const headers: (readonly [string, Uint8Array | null])[] = []
  for (let n = 0; n < count; n++) {
    const nameEnd = cursor.int32() + cursor.position
    const name = segment.buffer.toString('utf8', cursor.position, nameEnd)
    cursor.position = nameEnd
    const valueLength = cursor.int32()
    const valueEnd = cursor.position + Math.max(valueLength, 0)
    headers.push([name, valueLength < 0 ? null : segment.buffer.subarray(cursor.position, valueEnd)])
    cursor.position = valueEnd
  }
  return headers
}
