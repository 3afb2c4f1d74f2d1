import { crc32c } from '@node-rs/crc32'
import { encodeVarint } from '../../src/source/varint.ts'

/** A record as it goes into {@link encodeBatch}. */
export interface BatchRecord {
  readonly offset: number
  readonly timestampMs?: number
  readonly key?: string | null
  readonly value?: string | null
  readonly headers?: readonly (readonly [string, string | null])[]
}

export interface BatchOptions {
  /** Default: the offset of the first record. */
  readonly baseOffset?: number
  /** Default: the offset of the last record. */
  readonly lastOffset?: number
  readonly records: readonly BatchRecord[]
  readonly leaderEpoch?: number
  readonly producerId?: bigint
  readonly transactional?: boolean
  /** A transaction marker instead of records; its offset is `baseOffset`. */
  readonly marker?: 'commit' | 'abort'
  readonly codec?: number
  readonly compress?: (bytes: Buffer) => Uint8Array
  /** When given, the batch has log-append time. */
  readonly appendedAtMs?: number
}

/** The bytes of one record batch of format 2, as a broker sends it. */
export function encodeBatch(options: BatchOptions): Buffer {
  const { records, marker } = options
  const baseOffset = options.baseOffset ?? records[0]?.offset ?? 0
  const lastOffset = options.lastOffset ?? records.at(-1)?.offset ?? baseOffset
  const baseTimestamp = records[0]?.timestampMs ?? 0
  const encoded = marker
    ? [encodeMarker(marker)]
    : records.map((r) => encodeRecord(r, baseOffset, baseTimestamp))
  const plain = Buffer.concat(encoded)
  const body = options.compress ? Buffer.from(options.compress(plain)) : plain
  const header = Buffer.alloc(61)
  const attributes =
    (options.codec ?? 0) |
    (options.appendedAtMs === undefined ? 0 : 8) |
    (options.transactional || marker ? 16 : 0) |
    (marker ? 32 : 0)
  header.writeBigInt64BE(BigInt(baseOffset), 0)
  header.writeInt32BE(49 + body.length, 8)
  header.writeInt32BE(options.leaderEpoch ?? 0, 12)
  header.writeInt8(2, 16)
  header.writeInt16BE(attributes, 21)
  header.writeInt32BE(lastOffset - baseOffset, 23)
  header.writeBigInt64BE(BigInt(baseTimestamp), 27)
  const maxTimestamp = records.reduce((latest, r) => Math.max(latest, r.timestampMs ?? 0), 0)
  header.writeBigInt64BE(BigInt(options.appendedAtMs ?? maxTimestamp), 35)
  header.writeBigInt64BE(options.producerId ?? -1n, 43)
  header.writeInt32BE(-1, 53)
  header.writeInt32BE(encoded.length, 57)
  const batch = Buffer.concat([header, body])
  return withChecksum(batch)
}

/** The batch with the checksum that its bytes have now. */
export function withChecksum(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

function encodeRecord(record: BatchRecord, baseOffset: number, baseTimestamp: number): Buffer {
  const headers = record.headers ?? []
  const body = Buffer.concat([
    Buffer.from([0]),
    encodeVarlong((record.timestampMs ?? 0) - baseTimestamp),
    encodeVarint(record.offset - baseOffset),
    encodeBytes(record.key),
    encodeBytes(record.value),
    encodeVarint(headers.length),
    ...headers.flatMap(([name, value]) => [encodeBytes(name), encodeBytes(value)]),
  ])
  return Buffer.concat([encodeVarint(body.length), body])
}

function encodeMarker(marker: 'commit' | 'abort'): Buffer {
  const key = Buffer.from([0, 0, 0, marker === 'commit' ? 1 : 0])
  const value = Buffer.alloc(6)
  const body = Buffer.concat([
    Buffer.from([0]),
    encodeVarint(0),
    encodeVarint(0),
    encodeVarint(key.length),
    key,
    encodeVarint(value.length),
    value,
    encodeVarint(0),
  ])
  return Buffer.concat([encodeVarint(body.length), body])
}

function encodeBytes(text: string | null | undefined): Buffer {
  if (text === null || text === undefined) return encodeVarint(-1)
  const bytes = Buffer.from(text)
  return Buffer.concat([encodeVarint(bytes.length), bytes])
}

/** A 64-bit zigzag varint. */
export function encodeVarlong(value: number): Buffer {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  const bytes: number[] = []
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}
