import { encodeVarint } from './varint.ts'

/**
 * Decoded positions of one record batch: columns of numbers that point into the response's own buffer. No object
 * exists per record; values are touched only by the code that needs them.
 *
 * Offsets are JavaScript numbers here (the measured hot path); they are checked to be safe integers when the
 * batch header is decoded. Everywhere else an offset is a bigint.
 */
export interface RecordSegment {
  readonly topic: string
  readonly partition: number
  /** The bytes that all positions point into. */
  readonly buffer: Buffer
  /** Offset of the record batch; a record's offset is `baseOffset + offsetDeltas[i]`. */
  readonly baseOffset: number
  /** Number of records, visible or not. */
  readonly count: number
  readonly offsetDeltas: Int32Array
  /** Milliseconds since 1970. */
  readonly timestamps: Float64Array
  /** Key bytes are `buffer[keyStart[i], keyEnd[i])`; `keyEnd[i] === -1` means the key is null. */
  readonly keyStart: Int32Array
  readonly keyEnd: Int32Array
  /** Value bytes are `buffer[valueStart[i], valueEnd[i])`; `valueEnd[i] === -1` means the value is null. */
  readonly valueStart: Int32Array
  readonly valueEnd: Int32Array
  /** Where the record's headers begin (a varint count, then name and value each with a varint length). */
  readonly headersStart: Int32Array
}

/** The records of `segment` with index in `[begin, end)`. */
export interface SegmentSlice {
  readonly segment: RecordSegment
  readonly begin: number
  readonly end: number
}

/** A record as a test or a simulation writes it down. */
export interface PlainRecord {
  readonly offset: number
  readonly timestampMs?: number
  readonly key?: Uint8Array | string | null
  readonly value: Uint8Array | string | null
  readonly headers?: readonly (readonly [string, Uint8Array | string | null])[]
}

/** Builds a segment from plain records with strictly rising offsets, for simulated sources and tests. */
export function segmentFromRecords(
  topic: string,
  partition: number,
  records: readonly PlainRecord[],
): RecordSegment {
  const count = records.length
  const baseOffset = records[0]?.offset ?? 0
  const chunks: Buffer[] = []
  let position = 0
  const append = (bytes: Buffer) => {
    chunks.push(bytes)
    position += bytes.length
  }
  const columns = () => new Int32Array(count)
  const [offsetDeltas, keyStart, keyEnd, valueStart, valueEnd, headersStart] = [
    columns(),
    columns(),
    columns(),
    columns(),
    columns(),
    columns(),
  ]
  const timestamps = new Float64Array(count)
  for (const [i, record] of records.entries()) {
    offsetDeltas[i] = record.offset - baseOffset
    timestamps[i] = record.timestampMs ?? 0
    const put = (bytes: Uint8Array | string | null | undefined, start: Int32Array, end: Int32Array) => {
      start[i] = position
      if (bytes !== null && bytes !== undefined) append(Buffer.from(bytes))
      end[i] = bytes === null || bytes === undefined ? -1 : position
    }
    put(record.key, keyStart, keyEnd)
    put(record.value, valueStart, valueEnd)
    headersStart[i] = position
    const headers = record.headers ?? []
    append(encodeVarint(headers.length))
    for (const [name, value] of headers) {
      const nameBytes = Buffer.from(name)
      append(encodeVarint(nameBytes.length))
      append(nameBytes)
      if (value === null) append(encodeVarint(-1))
      else {
        const valueBytes = Buffer.from(value)
        append(encodeVarint(valueBytes.length))
        append(valueBytes)
      }
    }
  }
  const buffer = Buffer.concat(chunks)
  return {
    topic,
    partition,
    buffer,
    baseOffset,
    count,
    offsetDeltas,
    timestamps,
    keyStart,
    keyEnd,
    valueStart,
    valueEnd,
    headersStart,
  }
}
