/*
 * XXH32 with two seeds at once: 64 bits of hash with 32-bit arithmetic only, which is what JavaScript multiplies fast.
 *
 * The algorithm is Yann Collet's xxHash, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, section "XXH32
 * Algorithm Description". It is the same on every machine and in every version, and there is a library of it in every
 * language.
 */

const PRIME1 = 0x9e3779b1
const PRIME2 = 0x85ebca77
const PRIME3 = 0xc2b2ae3d
const PRIME4 = 0x27d4eb2f
const PRIME5 = 0x165667b1

/** XXH32 of the same input with two seeds. As signed 32-bit integers. */
export class Xxh32Pair {
  first = 0
  second = 0

  /** Begins anew: what is hashed next has these seeds. */
  reset(firstSeed: number, secondSeed: number): void {
    this.first = firstSeed
    this.second = secondSeed
  }

  /** Replaces both hashes by that of the bytes in `[begin, end)`, with the hashes until now as seeds. */
  bytes(view: DataView, begin: number, end: number): void {
    let a = this.first
    let b = this.second
    let at = begin
    if (end - begin >= 16) {
      let [a1, a2, a3, a4] = [(a + PRIME1 + PRIME2) | 0, (a + PRIME2) | 0, a, (a - PRIME1) | 0]
      let [b1, b2, b3, b4] = [(b + PRIME1 + PRIME2) | 0, (b + PRIME2) | 0, b, (b - PRIME1) | 0]
      for (const last = end - 16; at <= last; at += 16) {
        const w1 = Math.imul(view.getInt32(at, true), PRIME2)
        const w2 = Math.imul(view.getInt32(at + 4, true), PRIME2)
        const w3 = Math.imul(view.getInt32(at + 8, true), PRIME2)
        const w4 = Math.imul(view.getInt32(at + 12, true), PRIME2)
        a1 = round(a1, w1)
        a2 = round(a2, w2)
        a3 = round(a3, w3)
        a4 = round(a4, w4)
        b1 = round(b1, w1)
        b2 = round(b2, w2)
        b3 = round(b3, w3)
        b4 = round(b4, w4)
      }
      a = converge(a1, a2, a3, a4)
      b = converge(b1, b2, b3, b4)
    } else {
      a = (a + PRIME5) | 0
      b = (b + PRIME5) | 0
    }
    a = (a + end - begin) | 0
    b = (b + end - begin) | 0
    for (; at + 4 <= end; at += 4) {
      const word = Math.imul(view.getInt32(at, true), PRIME3)
      a = eatWord(a, word)
      b = eatWord(b, word)
    }
    for (; at < end; at++) {
      const byte = Math.imul(view.getUint8(at), PRIME5)
      a = eatByte(a, byte)
      b = eatByte(b, byte)
    }
    this.first = avalanche(a)
    this.second = avalanche(b)
  }
}

function round(lane: number, product: number): number {
  return Math.imul(rotate(lane + product, 13), PRIME1)
}

function converge(v1: number, v2: number, v3: number, v4: number): number {
  return (rotate(v1, 1) + rotate(v2, 7) + rotate(v3, 12) + rotate(v4, 18)) | 0
}

function eatWord(hash: number, product: number): number {
  return Math.imul(rotate(hash + product, 17), PRIME4)
}

function eatByte(hash: number, product: number): number {
  return Math.imul(rotate(hash + product, 11), PRIME1)
}

function avalanche(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 15), PRIME2)
  h = Math.imul(h ^ (h >>> 13), PRIME3)
  return h ^ (h >>> 16)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
