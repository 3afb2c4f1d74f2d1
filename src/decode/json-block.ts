import { isAscii } from 'node:buffer'

/*
 * Many values parsed as one array: what a call of JSON.parse and a string cost is paid once for hundreds of records.
 *
 * The bytes between two values (the frame of a record in the log) are overwritten in a copy with a separator. That the
 * text parses as an array is not enough: what is missing in one value another might supply. So only texts are taken of
 * which it is certain that each separator stands between two elements of the outer array, and then every value by itself
 * is one JSON value, and the one that JSON.parse gives for it alone:
 *
 * - `plain`: the separator is a comma and a newline; every value begins with `{` and ends with `}`; there is no `[` in
 *   any of them. A string cannot reach over a newline, so that every separator is a comma of an array or an object. In an
 *   object a name would have to follow, where `{` follows. And there is no array but the outer one.
 * - `marked`: the separator is a string between two commas, whose bytes occur in no value, and no value has a backslash
 *   to write it in another way. Whatever parses has as many such strings as were put there; if they are the second, fourth
 *   ... element of the outer array, all of them are.
 *
 * Everything else is left to JSON.parse, value by value; errors are made there, too.
 */

/** Longest text of a block. Longer values gain nothing. */
const MAX_BYTES = 256 * 1024
const COMMA = 44
const NEWLINE = 10
const SPACE = 32

/** Markers of which one is taken that no value contains: no part of one is its beginning. */
const markers = ['"~^|"', '"`@^"', '"%;~"'].map((text) => ({
  text,
  value: text.slice(1, -1),
  bytes: Buffer.from(text),
}))
const MARKED_GAP = 7

export interface ParsedBlock {
  readonly text: string
  /** The value of record `begin + i` is `values[i * step]`. */
  readonly values: readonly unknown[]
  readonly step: number
}

/** Parses blocks of values, with a buffer of its own. */
export class JsonBlockParser {
  #scratch = Buffer.allocUnsafe(64 * 1024)
  /** Data of one topic look alike: a block is tried first as the one before it was taken. */
  #marked = false

  /**
   * Parses the JSON values at `buffer[starts[i], ends[i])` for `i` in `[begin, end)`; they lie in this order.
   * @returns null where they have to be parsed one by one
   */
  parse(
    buffer: Buffer,
    starts: Int32Array,
    ends: Int32Array,
    begin: number,
    end: number,
  ): ParsedBlock | null {
    const base = (starts[begin] as number) - 1
    const length = (ends[end - 1] as number) - base + 1
    // With the bytes around it, a block becomes an array.
    if (base < 0 || length > MAX_BYTES || length < 4 || base + length > buffer.length) return null
    for (let i = begin; i < end; i++)
      if (!isEnclosed(buffer, starts[i] as number, ends[i] as number)) return null
    if (length > this.#scratch.length) this.#scratch = Buffer.allocUnsafe(MAX_BYTES)
    const scratch = this.#scratch
    buffer.copy(scratch, 0, base, base + length)
    scratch[0] = 91
    scratch[length - 1] = 93
    try {
      if (!this.#marked) {
        const text = this.#plainText(starts, ends, begin, end, base, length)
        if (text === null) return null
        if (text.indexOf('[', 1) === -1) {
          const values = JSON.parse(text) as unknown[]
          return values.length === end - begin ? { text, values, step: 1 } : null
        }
      }
      return this.#parseMarked(starts, ends, begin, end, base, length)
    } catch {
      return null
    }
  }

  #plainText(
    starts: Int32Array,
    ends: Int32Array,
    begin: number,
    end: number,
    base: number,
    length: number,
  ): string | null {
    const scratch = this.#scratch
    for (let i = begin + 1; i < end; i++) {
      let at = (ends[i - 1] as number) - base
      const until = (starts[i] as number) - base
      if (until - at < 2) return null
      scratch[at++] = COMMA
      scratch[at++] = NEWLINE
      while (at < until) scratch[at++] = SPACE
    }
    return this.#text(length)
  }

  #parseMarked(
    starts: Int32Array,
    ends: Int32Array,
    begin: number,
    end: number,
    base: number,
    length: number,
  ): ParsedBlock | null {
    const scratch = this.#scratch
    const block = scratch.subarray(0, length)
    for (let i = begin + 1; i < end; i++) {
      const at = (ends[i - 1] as number) - base
      const until = (starts[i] as number) - base
      if (until - at < MARKED_GAP) return null
      scratch.fill(SPACE, at, until)
    }
    this.#marked = block.subarray(1).includes(91)
    const marker = markers.find(({ bytes }) => !block.includes(bytes))
    if (marker === undefined || block.includes(92)) return null
    for (let i = begin + 1; i < end; i++) {
      const at = (ends[i - 1] as number) - base
      scratch[at] = COMMA
      for (let n = 0; n < 5; n++) scratch[at + 1 + n] = marker.bytes[n] as number
      scratch[at + 6] = COMMA
    }
    const text = this.#text(length)
    if (text === null) return null
    const values = JSON.parse(text) as unknown[]
    if (values.length !== 2 * (end - begin) - 1) return null
    for (let i = 1; i < values.length; i += 2) if (values[i] !== marker.value) return null
    return { text, values, step: 2 }
  }

  /** Null where it may not be UTF-8: an invalid sequence becomes U+FFFD, which may be in a value as well. */
  #text(length: number): string | null {
    const block = this.#scratch.subarray(0, length)
    if (isAscii(block)) return block.toString('latin1')
    const text = block.toString('utf8')
    return text.includes('\ufffd') ? null : text
  }
}

/** Whether there is a value that begins and ends as an object does. */
function isEnclosed(buffer: Buffer, start: number, end: number): boolean {
  return end - start >= 2 && buffer[start] === 123 && buffer[end - 1] === 125
}
