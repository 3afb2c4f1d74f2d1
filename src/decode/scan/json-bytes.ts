/*
 * JSON's tokens as bytes: RFC 8259, and RFC 3629 for what UTF-8 is.
 */

export function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57
}

/** The position after the number that begins at `at`, or -1 when it is none. */
export function numberEnd(buffer: Uint8Array, at: number): number {
  let p = at
  if (buffer[p] === 45) p += 1
  if (buffer[p] === 48) p += 1
  else {
    p = digitsEnd(buffer, p)
    if (p === -1) return -1
  }
  if (buffer[p] === 46) {
    p = digitsEnd(buffer, p + 1)
    if (p === -1) return -1
  }
  const byte = buffer[p]
  if (byte !== 101 && byte !== 69) return p
  const sign = buffer[p + 1]
  return digitsEnd(buffer, sign === 43 || sign === 45 ? p + 2 : p + 1)
}

/** The position after at least one digit, or -1. */
function digitsEnd(buffer: Uint8Array, at: number): number {
  let p = at
  while (isDigit(buffer[p] as number)) p += 1
  return p === at ? -1 : p
}

/** Bytes of the UTF-8 sequence of two to four bytes at `at`; 0 when it is none, or does not end before `end`. */
export function utf8SequenceLength(buffer: Uint8Array, at: number, end: number): number {
  const first = buffer[at] as number
  if (first < 0xc2 || first > 0xf4) return 0
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  if (at + length > end) return 0
  const second = buffer[at + 1] as number
  // No overlong forms, no halves of surrogate pairs, nothing past U+10FFFF.
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  if (second < least || second > most) return 0
  for (let i = 2; i < length; i++) if (((buffer[at + i] as number) & 0xc0) !== 0x80) return 0
  return length
}
