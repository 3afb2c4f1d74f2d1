import type { RecordSegment } from './record-segment.ts'
import { Xxh32Pair } from './xxh32-pair.ts'

/*
 * The digest of a range of offsets: the sum, modulo 2^64, of one hash per record, so that it does not depend on the order
 * in which stretches of the range are read, and digests of stretches add up to that of the whole.
 *
 * The hash of a record is h(0) * 2^32 + h(1), where
 *
 *   h(seed) = XXH32(value, seed: XXH32(key, seed: XXH32(coordinates, seed)))
 *
 * and the coordinates are 20 bytes, little-endian: partition (int32), offset (int64), length of the key and length of the
 * value (int32 each, -1 for null). The bytes of a null key or value are none. Key and value are as they are in the log.
 *
 * Two values that are exchanged between two offsets change it, and so does a null that becomes empty. It is no defence
 * against somebody who forges records: a sum of XXH32 can be steered.
 */

const COORDINATE_BYTES = 20
const TWO_32 = 2 ** 32

/** Adds up the digest of one range. */
export class RangeDigest {
  readonly #hash = new Xxh32Pair()
  readonly #coordinates = new DataView(new ArrayBuffer(COORDINATE_BYTES))
  #high = 0
  #low = 0

  /** The records of `segment` with index in `[begin, end)`. */
  add(segment: RecordSegment, begin: number, end: number): void {
    const { buffer, partition, baseOffset, offsetDeltas, keyStart, keyEnd, valueStart, valueEnd } = segment
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    const coordinates = this.#coordinates
    const hash = this.#hash
    coordinates.setInt32(0, partition, true)
    for (let i = begin; i < end; i++) {
      const offset = baseOffset + (offsetDeltas[i] as number)
      const keyUntil = keyEnd[i] as number
      const valueUntil = valueEnd[i] as number
      const keyFrom = keyUntil === -1 ? 0 : (keyStart[i] as number)
      const valueFrom = valueUntil === -1 ? 0 : (valueStart[i] as number)
      coordinates.setUint32(4, offset, true)
      coordinates.setInt32(8, Math.floor(offset / TWO_32), true)
      coordinates.setInt32(12, keyUntil - keyFrom, true)
      coordinates.setInt32(16, valueUntil - valueFrom, true)
      hash.reset(0, 1)
      hash.bytes(coordinates, 0, COORDINATE_BYTES)
      hash.bytes(view, keyFrom, Math.max(keyFrom, keyUntil))
      hash.bytes(view, valueFrom, Math.max(valueFrom, valueUntil))
      this.#low += hash.second >>> 0
      this.#high += hash.first >>> 0
      if (this.#low >= TWO_32) {
        this.#low -= TWO_32
        this.#high += 1
      }
      if (this.#high >= TWO_32) this.#high %= TWO_32
    }
  }

  /** From 0 to 2^64 - 1; 0 of a range without records. */
  get sum(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low)
  }
}

/** The digest of two stretches together. */
export function addDigests(a: bigint, b: bigint): bigint {
  return BigInt.asUintN(64, a + b)
}

/** How people see it: 16 hexadecimal digits. */
export function digestText(digest: bigint): string {
  return digest.toString(16).padStart(16, '0')
}
