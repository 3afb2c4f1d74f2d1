import { crc32c } from '@node-rs/crc32'
import type { TopicPartition } from '../../model/topic-partition.ts'
import { VarintCursor } from '../varint.ts'
import { corrupt } from './corrupt-batch.ts'

/*
 * Record batches of format 2, the only one that Kafka 4 writes:
 *
 *    0 base offset (int64)          17 CRC-32C of all that follows       43 producer id (int64)
 *    8 length of what follows       21 attributes (int16)                51 producer epoch (int16)
 *   12 leader epoch (int32)         23 last offset delta (int32)         53 base sequence (int32)
 *   16 magic (int8)                 27 base, 35 max timestamp (int64)    57 number of records (int32)
 */
export const headerBytes = 61
const bytesBeforeLength = 12
const crcFrom = 21

/** Header of a record batch, and where its bytes are. */
export interface RecordBatch {
  /** Bytes that the batch lies in, at `[position, position + size)`. */
  readonly buffer: Buffer
  readonly position: number
  readonly size: number
  readonly baseOffset: number
  /** The offset after the batch, also where compaction has removed its last records. */
  readonly nextOffset: number
  readonly leaderEpoch: number
  readonly attributes: number
  /** Number of records in it; may be 0 (compaction keeps the empty batch for its producer's state). */
  readonly count: number
}

/** Codec of the records, 0 for none. */
export const codecOf = (batch: RecordBatch): number => batch.attributes & 0b111
/** Whether every record's timestamp is the batch's largest one (the topic uses log-append time). */
export const hasLogAppendTime = (batch: RecordBatch): boolean => (batch.attributes & 0b1000) !== 0
export const isTransactional = (batch: RecordBatch): boolean => (batch.attributes & 0b1_0000) !== 0
/** Whether it holds a transaction marker instead of records. */
export const isControl = (batch: RecordBatch): boolean => (batch.attributes & 0b10_0000) !== 0
export const producerIdOf = (batch: RecordBatch): bigint => batch.buffer.readBigInt64BE(batch.position + 43)

const abortMarker = 0

/** Whether a control batch says that its producer's transaction was aborted. Markers are never compressed. */
export function isAbortMarker(batch: RecordBatch): boolean {
  const { buffer, position, size, count } = batch
  // Compaction may have taken the marker and kept the batch.
  if (count === 0) return false
  const cursor = new VarintCursor(buffer, position + headerBytes)
  cursor.int32()
  cursor.position += 1
  cursor.int64()
  cursor.int32()
  const keyBytes = cursor.int32()
  // The key is a version and a type, two bytes each.
  return (
    keyBytes >= 4 &&
    cursor.position + 4 <= position + size &&
    buffer.readInt16BE(cursor.position + 2) === abortMarker
  )
}

/**
 * The complete record batches in `bytes`; what is cut off at the end is left to the next fetch.
 * @throws OncesinkError RECORD_BATCH_CORRUPT
 */
export function scanRecordBatches(bytes: Buffer, where: TopicPartition): RecordBatch[] {
  const batches: RecordBatch[] = []
  let position = 0
  while (position + headerBytes <= bytes.length) {
    const baseOffset = readInt64(bytes, position)
    const magic = bytes.readInt8(position + 16)
    if (magic !== 2) {
      throw corrupt(
        where,
        baseOffset,
        `it has format ${magic}; oncesink reads format 2, which Kafka 0.11 introduced`,
      )
    }
    const size = bytes.readInt32BE(position + 8) + bytesBeforeLength
    if (size < headerBytes)
      throw corrupt(where, baseOffset, `its length ${size} is less than that of a header`)
    if (position + size > bytes.length) break
    const lastOffsetDelta = bytes.readInt32BE(position + 23)
    const nextOffset = baseOffset + lastOffsetDelta + 1
    if (baseOffset < 0 || lastOffsetDelta < 0 || !Number.isSafeInteger(nextOffset)) {
      throw corrupt(
        where,
        baseOffset,
        `its offsets (${baseOffset} + ${lastOffsetDelta}) are not safe integers`,
      )
    }
    batches.push({
      buffer: bytes,
      position,
      size,
      baseOffset,
      nextOffset,
      leaderEpoch: bytes.readInt32BE(position + 12),
      attributes: bytes.readInt16BE(position + 21),
      count: bytes.readInt32BE(position + 57),
    })
    position += size
  }
  return batches
}

/** @throws OncesinkError RECORD_BATCH_CORRUPT when the checksum that the producer wrote does not match the bytes */
export function verifyChecksum(batch: RecordBatch, where: TopicPartition): void {
  const { buffer, position, size } = batch
  const expected = buffer.readUInt32BE(position + 17)
  const actual = crc32c(buffer.subarray(position + crcFrom, position + size))
  if (actual !== expected) {
    throw corrupt(
      where,
      batch.baseOffset,
      `its checksum is ${hex(actual)}, not ${hex(expected)} as written in it`,
    )
  }
}

/** A signed 64-bit integer as a number; exact within the safe integers. */
export function readInt64(bytes: Buffer, position: number): number {
  return bytes.readInt32BE(position) * 4294967296 + bytes.readUInt32BE(position + 4)
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`
}
