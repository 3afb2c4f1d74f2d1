import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import lz4js from 'lz4js'
import snappyjs from 'snappyjs'
import { describe, expect, test } from 'vitest'
import { decompress } from '../../../../src/source/kafka/codecs.ts'

/** What Java's SnappyOutputStream writes: a header, then blocks with their lengths. */
function xerial(bytes: Buffer, blockBytes: number): Buffer {
  const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00, 0, 0, 0, 1, 0, 0, 0, 1])
  const parts: Uint8Array[] = [header]
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = snappyjs.compress(bytes.subarray(at, at + blockBytes))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

/** One zstd frame with a stored block. */
function zstdStored(bytes: Buffer): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0])
  header.writeUInt32LE(bytes.length, 5)
  const block = Buffer.alloc(3)
  block.writeUIntLE((bytes.length << 3) | 1, 0, 3)
  return Buffer.concat([header, block, bytes])
}

const payload = fc.uint8Array({ minLength: 1, maxLength: 3000 }).map((bytes) => Buffer.from(bytes))

describe('decompress', () => {
  test.each<[string, number, (bytes: Buffer) => Uint8Array]>([
    ['gzip', 1, (bytes) => gzipSync(bytes)],
    ['snappy as one bare block', 2, (bytes) => snappyjs.compress(bytes)],
    ['snappy in frames', 2, (bytes) => xerial(bytes, 700)],
    ['an lz4 frame', 3, (bytes) => lz4js.compress(bytes)],
    ['a zstd frame', 4, zstdStored],
  ])('restores %s', (_, codec, compress) => {
    fc.assert(
      fc.property(payload, (bytes) => {
        expect(decompress(codec, Buffer.from(compress(bytes))).equals(bytes)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  test('a snappy frame that ends early is an error', () => {
    const whole = xerial(Buffer.alloc(2000, 'abc'), 700)
    expect(() => decompress(2, whole.subarray(0, whole.length - 1))).toThrow(/ends past the record batch/)
  })

  test('lz4 block checksums are refused instead of misread', () => {
    const frame = Buffer.from(lz4js.compress(Buffer.alloc(100)))
    frame.writeUInt8(frame.readUInt8(4) | 0x10, 4)
    expect(() => decompress(3, frame)).toThrow(/block checksums/)
  })

  test('an unknown codec is an error', () => {
    expect(() => decompress(5, Buffer.alloc(4))).toThrow(/unknown compression codec 5/)
  })
})
