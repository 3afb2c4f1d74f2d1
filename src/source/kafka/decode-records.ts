import { OncesinkError } from '../../errors.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'
import type { RecordSegment } from '../record-segment.ts'
import { VarintCursor } from '../varint.ts'
import { decompress } from './codecs.ts'
import { corrupt } from './corrupt-batch.ts'
import {
  codecOf,
  hasLogAppendTime,
  headerBytes,
  type RecordBatch,
  readInt64,
  verifyChecksum,
} from './record-batch.ts'

const columnsOfInt32 = 6

/**
 * Decodes record batches that lie in one buffer to one segment, in offset order. Several batches share a segment
 * because a segment costs several small objects, and many producers send batches of very few records.
 * Compressed batches come alone: their positions point into their own decompressed bytes.
 * @throws OncesinkError RECORD_BATCH_CORRUPT; PREFLIGHT_FAILED where its codec cannot be loaded
 */
export function decodeRecords(batches: readonly RecordBatch[], where: TopicPartition): RecordSegment {
  const [first] = batches
  if (first === undefined) throw new RangeError('no record batch to decode')
  const count = batches.reduce((sum, batch) => sum + batch.count, 0)
  for (const batch of batches) refuseImpossibleCount(batch, where)
  const columns = new ArrayBuffer(count * columnsOfInt32 * 4)
  const column = (n: number) => new Int32Array(columns, n * count * 4, count)
  const compressed = codecOf(first) !== 0
  if (compressed && batches.length > 1) throw new RangeError('compressed batches are decoded one by one')
  verifyChecksum(first, where)
  const segment: RecordSegment = {
    topic: where.topic,
    partition: where.partition,
    buffer: compressed ? decompressed(first, where) : first.buffer,
    baseOffset: first.baseOffset,
    count,
    offsetDeltas: column(0),
    timestamps: new Float64Array(count),
    keyStart: column(1),
    keyEnd: column(2),
    valueStart: column(3),
    valueEnd: column(4),
    headersStart: column(5),
  }
  let index = 0
  for (const batch of batches) {
    if (batch !== first) verifyChecksum(batch, where)
    const begin = compressed ? 0 : batch.position + headerBytes
    const end = compressed ? segment.buffer.length : batch.position + batch.size
    const problem = decodeBatch(segment, index, batch, begin, end)
    if (problem !== null) throw corrupt(where, batch.baseOffset, problem)
    index += batch.count
  }
  return segment
}

/** Fills the columns from `index` on; returns what is wrong with the bytes, or null. */
function decodeBatch(
  segment: RecordSegment,
  index: number,
  batch: RecordBatch,
  begin: number,
  end: number,
): string | null {
  const { offsetDeltas, timestamps, keyStart, keyEnd, valueStart, valueEnd, headersStart } = segment
  const baseTimestamp = readInt64(batch.buffer, batch.position + 27)
  const logAppendTime = hasLogAppendTime(batch) ? readInt64(batch.buffer, batch.position + 35) : null
  const baseDelta = batch.baseOffset - segment.baseOffset
  const lastDelta = batch.nextOffset - 1 - batch.baseOffset
  const cursor = new VarintCursor(segment.buffer, begin)
  let previousDelta = -1
  for (let i = index; i < index + batch.count; i++) {
    const recordEnd = cursor.int32() + cursor.position
    if (recordEnd > end) return `its record ${i - index} ends past the batch`
    cursor.position += 1
    const timestamp = baseTimestamp + cursor.int64()
    timestamps[i] = logAppendTime ?? timestamp
    const delta = cursor.int32()
    if (delta <= previousDelta || delta > lastDelta)
      return `the offset of its record ${i - index} is out of order`
    previousDelta = delta
    offsetDeltas[i] = baseDelta + delta
    const keyLength = cursor.int32()
    keyStart[i] = cursor.position
    if (keyLength > 0) cursor.position += keyLength
    keyEnd[i] = keyLength < 0 ? -1 : cursor.position
    const valueLength = cursor.int32()
    valueStart[i] = cursor.position
    if (valueLength > 0) cursor.position += valueLength
    valueEnd[i] = valueLength < 0 ? -1 : cursor.position
    headersStart[i] = cursor.position
    if (cursor.position >= recordEnd) return `the fields of its record ${i - index} end past the record`
    cursor.position = recordEnd
  }
  return cursor.position === end ? null : `its ${batch.count} records end before the batch does`
}

function decompressed(batch: RecordBatch, where: TopicPartition): Buffer {
  const { buffer, position, size } = batch
  try {
    return decompress(codecOf(batch), buffer.subarray(position + headerBytes, position + size))
  } catch (cause) {
    if (cause instanceof OncesinkError) throw cause
    throw corrupt(where, batch.baseOffset, `its records cannot be decompressed (${String(cause)})`, cause)
  }
}

/** Offsets in a batch are distinct, so that a count beyond them is damage; it must not become an allocation. */
function refuseImpossibleCount(batch: RecordBatch, where: TopicPartition): void {
  if (batch.count >= 0 && batch.count <= batch.nextOffset - batch.baseOffset) return
  throw corrupt(where, batch.baseOffset, `it claims ${batch.count} records`)
}
