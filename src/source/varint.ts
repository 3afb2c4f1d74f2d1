/**
 * Zigzag varints, as Kafka writes lengths, counts and deltas inside a record.
 */

/**
 * A place in a buffer that moves forward as varints are read. A class with a field for the position, because a
 * function that returned value and position together would allocate per number.
 *
 * A read past the end of the buffer ends the varint there; callers compare `position` with the end that they know.
 */
export class VarintCursor {
  bytes: Uint8Array
  position: number

  constructor(bytes: Uint8Array, position = 0) {
    this.bytes = bytes
    this.position = position
  }

  /** A 32-bit zigzag varint. */
  int32(): number {
    const bytes = this.bytes
    let byte = bytes[this.position++] ?? 0
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1)
    let zigzag = byte & 127
    let shift = 7
    do {
      byte = bytes[this.position++] ?? 0
      zigzag |= (byte & 127) << shift
      shift += 7
    } while (byte >= 128 && shift < 35)
    return (zigzag >>> 1) ^ -(zigzag & 1)
  }

  /** A 64-bit zigzag varint as a number: exact within the safe integers, which is what timestamps need. */
  int64(): number {
    const bytes = this.bytes
    let byte = bytes[this.position++] ?? 0
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1)
    // The sign is the lowest bit; the rest is collected already halved, or it would leave the safe integers.
    const negative = (byte & 1) === 1
    let magnitude = (byte & 127) >>> 1
    let factor = 64
    do {
      byte = bytes[this.position++] ?? 0
      magnitude += (byte & 127) * factor
      factor *= 128
    } while (byte >= 128 && factor < 2 ** 69)
    return negative ? -magnitude - 1 : magnitude
  }
}

/** The bytes of a 32-bit zigzag varint. */
export function encodeVarint(value: number): Buffer {
  const bytes: number[] = []
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  while (rest > 127) {
    bytes.push((rest & 127) | 128)
    rest >>>= 7
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}
