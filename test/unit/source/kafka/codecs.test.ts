import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import lz4js from 'lz4js'
import snappyjs from 'snappyjs'
import { describe, expect, test } from 'vitest'
import { decompress } from '../../../../src/source/kafka/codecs.ts'
import { nativeCodecs, noNativeCodecs } from '../../../../src/source/kafka/native-codecs.ts'

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
        const compressed = Buffer.from(compress(bytes))
        expect(decompress(codec, compressed).equals(bytes)).toBe(true)
        expect(decompress(codec, compressed, noNativeCodecs).equals(bytes)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  test('the packages of this platform are used', () => {
    expect(nativeCodecs.lz4).not.toBeNull()
    expect(nativeCodecs.snappy).not.toBeNull()
    const bytes = Buffer.alloc(3000, 'abc')
    const asked: string[] = []
    const spy = (name: string) => () => {
      asked.push(name)
      return bytes
    }
    const native = { lz4: spy('lz4'), snappy: spy('snappy'), zstd: spy('zstd') }
    decompress(2, Buffer.from(snappyjs.compress(bytes)), native)
    decompress(3, Buffer.from(lz4js.compress(bytes)), native)
    decompress(4, zstdStored(bytes), native)
    expect(asked).toEqual(['snappy', 'lz4', 'zstd'])
  })

  test('a snappy block that claims too much is refused before it is decompressed', () => {
    const huge = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0])
    expect(() => decompress(2, huge)).toThrow(/would take 4294967295 bytes/)
    expect(() => decompress(2, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))).toThrow(/how long it is/)
  })

  test.each([2, 3])('damage is an error, or decompresses to something (codec %i)', (codec) => {
    const whole =
      codec === 2 ? snappyjs.compress(Buffer.alloc(500, 'abcd')) : lz4js.compress(Buffer.alloc(500, 'abcd'))
    for (let at = 0; at < whole.length; at++) {
      // The lz4 of JavaScript may take a gigabyte of memory and many seconds for it: checksums are verified before.
      for (const native of codec === 3 ? [nativeCodecs] : [nativeCodecs, noNativeCodecs]) {
        const damaged = Buffer.from(whole)
        damaged[at] = (damaged[at] ?? 0) ^ 0x41
        try {
          decompress(codec, damaged, native)
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
        }
      }
    }
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
