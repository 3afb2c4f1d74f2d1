import { crc32c } from '@node-rs/crc32'
import Decoder from 'kafkajs/src/protocol/decoder.js'
import decodeRecord from 'kafkajs/src/protocol/recordBatch/record/v0/decoder.js'
import decodeHeader, { type BatchContext } from 'kafkajs/src/protocol/recordBatch/v0/decoder.js'
import { asError, OncesinkError } from '../../../errors.ts'
import type { TopicPartition } from '../../../model/topic-partition.ts'
import type { RecordSegment } from '../../record-segment.ts'
import { decompress } from '../codecs.ts'
import { corrupt } from '../corrupt-batch.ts'

const headerBytes = 61
const lengthAt = 8
const magicAt = 16
const checksumAt = 17
const attributesAt = 21
const countAt = 57
/** Bytes up to where the length begins to count. */
const uncounted = 12
const codecMask = 0b111

/** A record batch, its header decoded and its records not yet. */
export interface Batch {
  readonly context: BatchContext
  readonly firstOffset: number
  readonly nextOffset: number
  /** Records in it, or markers. */
  readonly count: number
  readonly bytes: Buffer
}

/**
 * The record batch that `bytes` begin with; null where its end is missing.
 * @throws OncesinkError RECORD_BATCH_CORRUPT
 */
export async function firstBatch(bytes: Buffer, where: TopicPartition): Promise<Batch | null> {
  if (bytes.length < headerBytes) return null
  const size = bytes.readInt32BE(lengthAt) + uncounted
  const firstOffset = Number(bytes.readBigInt64BE())
  if (bytes[magicAt] !== 2) throw corrupt(where, firstOffset, `it has format ${bytes[magicAt]}, not 2`)
  if (size < headerBytes)
    throw corrupt(where, firstOffset, `its length ${size} is less than that of a header`)
  if (size > bytes.length) return null
  const batch = bytes.subarray(0, size)
  if (crc32c(batch.subarray(attributesAt)) !== batch.readUInt32BE(checksumAt)) {
    throw corrupt(where, firstOffset, 'its checksum is not the one that is written in it')
  }
  const context = await decodeHeader(new Decoder(headerAlone(batch)))
  const nextOffset = firstOffset + context.lastOffsetDelta + 1
  if (Number(context.firstOffset) !== firstOffset || !Number.isSafeInteger(nextOffset)) {
    throw corrupt(where, firstOffset, `its offsets (${context.firstOffset}) are not safe integers`)
  }
  return { context, firstOffset, nextOffset, count: batch.readInt32BE(countAt), bytes: batch }
}

/** The header as one of a batch without records, which kafkajs decodes and goes no further. */
function headerAlone(batch: Buffer): Buffer {
  const header = Buffer.from(batch.subarray(0, headerBytes))
  header.writeInt32BE(headerBytes - uncounted, lengthAt)
  header.writeInt16BE(header.readInt16BE(attributesAt) & ~codecMask, attributesAt)
  header.writeInt32BE(0, countAt)
  return header
}

/** kafkajs makes an object of a record's headers, in which their order and repeated names are lost: they stay bytes. */
class RecordDecoder extends Decoder {
  headersAt = 0

  override readVarIntArray<T>(): T[] {
    this.headersAt = this.offset
    return []
  }
}

/**
 * The records of a batch, each decoded by kafkajs; null where it has none.
 * @throws OncesinkError RECORD_BATCH_CORRUPT; PREFLIGHT_FAILED where its codec cannot be loaded
 */
export function decodeBatch(batch: Batch, where: TopicPartition): RecordSegment | null {
  const { firstOffset, count } = batch
  if (count === 0) return null
  const records = recordBytes(batch, where)
  // A record has seven bytes at least.
  if (count < 0 || count * 7 > records.length)
    throw corrupt(where, firstOffset, `it cannot have ${count} records`)
  const column = () => new Int32Array(count)
  const segment: RecordSegment = {
    topic: where.topic,
    partition: where.partition,
    buffer: records,
    baseOffset: firstOffset,
    count,
    offsetDeltas: column(),
    timestamps: new Float64Array(count),
    keyStart: column(),
    keyEnd: column(),
    valueStart: column(),
    valueEnd: column(),
    headersStart: column(),
  }
  try {
    decodeInto(segment, batch)
  } catch (error) {
    throw corrupt(where, firstOffset, asError(error).message, error)
  }
  return segment
}

/** @throws Error what is wrong with the bytes */
function decodeInto(segment: RecordSegment, { context, firstOffset, nextOffset }: Batch): void {
  const { buffer, count, offsetDeltas, timestamps, keyStart, keyEnd, valueStart, valueEnd, headersStart } =
    segment
  const { maxTimestamp, timestampType } = context
  const firstTimestamp = BigInt(context.firstTimestamp)
  const ofBatch = { firstOffset: BigInt(firstOffset), firstTimestamp, maxTimestamp, timestampType }
  const place = (bytes: Buffer | null, i: number, start: Int32Array, end: Int32Array) => {
    const from = bytes === null ? 0 : bytes.byteOffset - buffer.byteOffset
    start[i] = from
    end[i] = bytes === null ? -1 : from + bytes.length
  }
  const decoder = new RecordDecoder(buffer)
  let previous = firstOffset - 1
  for (let i = 0; i < count; i++) {
    const length = decoder.readVarInt()
    const end = decoder.offset + length
    if (!(length > 0 && end <= buffer.length)) throw new Error(`its record ${i} ends past it`)
    const { offset, timestamp, key, value } = decodeRecord(decoder, ofBatch)
    const at = Number(offset)
    if (at <= previous || at >= nextOffset)
      throw new Error(`the offset ${offset} of its record ${i} is out of order`)
    if (decoder.headersAt >= end) throw new Error(`its record ${i} is shorter than its fields`)
    previous = at
    offsetDeltas[i] = at - firstOffset
    timestamps[i] = Number(timestamp)
    place(key, i, keyStart, keyEnd)
    place(value, i, valueStart, valueEnd)
    headersStart[i] = decoder.headersAt
    decoder.offset = end
  }
}

/** What follows the header, decompressed; kafkajs' list of codecs belongs to the application, and is left alone. */
function recordBytes({ bytes, firstOffset }: Batch, where: TopicPartition): Buffer {
  const codec = bytes.readInt16BE(attributesAt) & codecMask
  const rest = bytes.subarray(headerBytes)
  if (codec === 0) return rest
  try {
    return decompress(codec, rest)
  } catch (error) {
    if (error instanceof OncesinkError) throw error
    throw corrupt(where, firstOffset, `it cannot be decompressed (${asError(error).message})`, error)
  }
}
