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

/** Where the wanted values of one record are, by slot. Overwritten by the next record. */
export interface ScannedFields {
  readonly buffer: Buffer
  readonly kinds: Uint8Array
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** Most digits of a number that is read without JSON.parse: every such decimal has a double of its own. */
const MAX_DIGITS = 15

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
