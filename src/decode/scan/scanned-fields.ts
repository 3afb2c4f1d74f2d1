import { isDigit } from './json-bytes.ts'

/** What kind of value was found. A string's bytes are those between its quotes. */
export const Kind = {
  missing: 0,
  null: 1,
  true: 2,
  false: 3,
  number: 4,
  /** A string of ASCII without escapes: its bytes are its text. */
  ascii: 5,
  /** A string without escapes. */
  utf8: 6,
  /** A string with escapes. */
  escaped: 7,
  object: 8,
  array: 9,
} as const
export type Kind = (typeof Kind)[keyof typeof Kind]

/** Where the values of a segment are: see RecordSegment. */
export interface ValueColumns {
  readonly buffer: Buffer
  readonly valueStart: Int32Array
  readonly valueEnd: Int32Array
}

/** Where the wanted values of one record are: what is in `slot` is in the cell `at + slot`. Overwritten by the next record. */
export interface ScannedFields {
  readonly buffer: Buffer
  readonly at: number
  readonly kinds: Int32Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** What is known of the values besides; null where it has to be read from their bytes. */
  readonly known: KnownOfValues | null
}

/** By cell, as the positions are. */
export interface KnownOfValues {
  /** Of numbers: their {@link PlainDecimal}, whose scale is {@link NO_SCALE} where they are none. */
  readonly scales: Int32Array
  readonly mantissas: Float64Array
  /** FNV-1a of the bytes of keys: see {@link hashOfBytes}. */
  readonly hashes: Int32Array
}

export const NO_SCALE = -1

/** Most digits of a number that is read without JSON.parse: every such decimal has a double of its own. */
export const MAX_DIGITS = 15

export const HASH_BASIS = 0x811c9dc5 | 0
export const HASH_PRIME = 0x01000193

/** FNV-1a of 32 bits (Fowler, Noll, Vo). */
export function hashOfBytes(buffer: Uint8Array, start: number, end: number): number {
  let hash = HASH_BASIS
  for (let p = start; p < end; p++) hash = Math.imul(hash ^ (buffer[p] as number), HASH_PRIME)
  return hash
}

/**
 * A decimal of at most 15 digits without an exponent, as an integer and its digits after the point. One object, used
 * again and again: a pair per number would be garbage.
 */
export class PlainDecimal {
  /** Without the point; never -0. */
  mantissa = 0
  /** Digits after the point. */
  scale = 0
  negative = false

  /** {@link read} for the number in `slot` of a record; its sign, where it is 0, is not read. */
  readFrom({ buffer, at, starts, ends, known }: ScannedFields, slot: number): boolean {
    const cell = at + slot
    if (known === null) return this.read(buffer, starts[cell] as number, ends[cell] as number)
    this.scale = known.scales[cell] as number
    this.mantissa = known.mantissas[cell] as number
    return this.scale !== NO_SCALE
  }

  /** @returns whether the JSON number at `buffer[start, end)` is such a decimal */
  read(buffer: Uint8Array, start: number, end: number): boolean {
    let p = start
    const negative = buffer[p] === 45
    if (negative) p += 1
    if (end - p > MAX_DIGITS + 1) return false
    let mantissa = 0
    let point = -1
    for (; p < end; p++) {
      const byte = buffer[p] as number
      if (isDigit(byte)) mantissa = mantissa * 10 + (byte - 48)
      else if (byte === 46) point = p
      else return false
    }
    if (point === -1 && end - start - (negative ? 1 : 0) > MAX_DIGITS) return false
    this.mantissa = negative && mantissa !== 0 ? -mantissa : mantissa
    this.scale = point === -1 ? 0 : end - point - 1
    this.negative = negative
    return true
  }

  /**
   * The double that JSON.parse gives. Both numbers of the division are doubles exactly (10^15 and 10^14 at most), so that
   * its one rounding gives the nearest one (W. D. Clinger, How to Read Floating Point Numbers Accurately, 1990).
   */
  toNumber(): number {
    if (this.mantissa === 0) return this.negative ? -0 : 0
    return this.scale === 0 ? this.mantissa : this.mantissa / 10 ** this.scale
  }
}
