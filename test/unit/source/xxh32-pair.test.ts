import { describe, expect, test } from 'vitest'
import { Xxh32Pair } from '../../../src/source/xxh32-pair.ts'

/** Of the reference implementation, with the seeds 0, 1 and 0x9e3779b1. */
const known: readonly [text: string, zero: number, one: number, prime: number][] = [
  ['', 0x02cc5d05, 0x0b2cb792, 0x36b78ae7],
  ['a', 0x550d7456, 0xf514706f, 0x9e1633e4],
  ['abc', 0x32d153ff, 0xaa3da8ff, 0xa1ae7709],
  ['abcd', 0xa3643705, 0xbe6e299f, 0x0a7e979c],
  ['oncesink', 0xd011639e, 0x420f0ca7, 0xbc787183],
  ['exactly once, 15', 0x1e87a6e2, 0x99bdf8cf, 0xaaa47b15],
  ['exactly once, 16b', 0x95a125b4, 0x7744baef, 0x9a10284d],
  ['Nobody inspects the spammish repetition', 0xe2293b2f, 0x534469ea, 0xc9e89e68],
  ['x'.repeat(100), 0x4bd30d3a, 0x92f34d28, 0x288de576],
]

describe('two XXH32 at once', () => {
  test.each(known)('of %j are what the reference implementation says', (text, zero, one, prime) => {
    // In the middle of something larger, at an odd place.
    const bytes = Buffer.from(`#####${text}##`)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const hash = new Xxh32Pair()
    const of = (first: number, second: number) => {
      hash.reset(first, second)
      hash.bytes(view, 5, bytes.length - 2)
      return [hash.first >>> 0, hash.second >>> 0]
    }
    expect(of(0, 1)).toEqual([zero, one])
    expect(of(1, 0x9e3779b1)).toEqual([one, prime])
  })

  test('chain: the hashes of one piece are the seeds of the next one', () => {
    const view = new DataView(new TextEncoder().encode('oncesink').buffer)
    const chained = new Xxh32Pair()
    chained.reset(0, 1)
    chained.bytes(view, 0, 4)
    const seeds = [chained.first, chained.second] as const
    chained.bytes(view, 4, 8)
    const apart = new Xxh32Pair()
    apart.reset(...seeds)
    apart.bytes(view, 4, 8)
    expect([chained.first, chained.second]).toEqual([apart.first, apart.second])
    expect(chained.first).not.toBe(chained.second)
  })
})
