import * as zlib from 'node:zlib'
import { codecPackage } from './load-codec.ts'
import { type NativeCodecs, nativeCodecs } from './native-codecs.ts'

const fzstd = codecPackage<typeof import('fzstd')>('fzstd')
const lz4js = codecPackage<typeof import('lz4js')['default']>('lz4js')
const snappyjs = codecPackage<typeof import('snappyjs')['default']>('snappyjs')

/** Records of one batch may not grow beyond this when decompressed. Brokers accept 1 MiB compressed by default. */
export const maxDecompressedBytes = 1024 * 1024 * 1024

type Decompress = (bytes: Buffer, native: NativeCodecs) => Uint8Array

const codecs: Readonly<Record<number, Decompress>> = {
  1: (bytes) => zlib.gunzipSync(bytes, { maxOutputLength: maxDecompressedBytes }),
  2: decompressSnappy,
  3: decompressLz4,
  4: decompressZstd,
}

/**
 * The records of a compressed batch.
 * @param native libraries to do it with; what is not there is done in JavaScript
 * @throws Error when the codec is unknown or the bytes are damaged; OncesinkError PREFLIGHT_FAILED where a package is missing
 */
export function decompress(codec: number, bytes: Buffer, native = nativeCodecs): Buffer {
  const decoder = codecs[codec]
  if (decoder === undefined) throw new Error(`unknown compression codec ${codec}`)
  const result = decoder(bytes, native)
  return Buffer.from(result.buffer, result.byteOffset, result.byteLength)
}

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const xerialHeaderBytes = 16

/** Java clients and brokers wrap snappy blocks in xerial's framing, others write one bare block. */
function decompressSnappy(bytes: Buffer, native: NativeCodecs): Uint8Array {
  if (!bytes.subarray(0, xerialMagic.length).equals(xerialMagic)) {
    return decompressSnappyBlock(bytes, maxDecompressedBytes, native)
  }
  const blocks: Uint8Array[] = []
  let total = 0
  for (let position = xerialHeaderBytes; position < bytes.length; ) {
    const end = position + 4 + bytes.readInt32BE(position)
    if (end > bytes.length || end < position + 4) throw new Error('a snappy block ends past the record batch')
    const block = decompressSnappyBlock(
      bytes.subarray(position + 4, end),
      maxDecompressedBytes - total,
      native,
    )
    blocks.push(block)
    total += block.length
    position = end
  }
  return Buffer.concat(blocks, total)
}

function decompressSnappyBlock(block: Buffer, maxBytes: number, { snappy }: NativeCodecs): Uint8Array {
  if (snappy === null) return snappyjs().uncompress(block, maxBytes)
  const claimed = snappyLength(block)
  if (claimed > maxBytes) throw new Error(`a snappy block would take ${claimed} bytes decompressed`)
  return snappy(block)
}

/** Bytes that a snappy block says it has decompressed: a varint at its beginning. */
function snappyLength(block: Buffer): number {
  let length = 0
  for (let i = 0; i < 5; i++) {
    const byte = block[i] ?? 0
    length += (byte & 127) * 2 ** (7 * i)
    if (byte < 128) return length
  }
  throw new Error('a snappy block does not say how long it is')
}

const lz4BlockChecksum = 0x10

function decompressLz4(bytes: Buffer, { lz4 }: NativeCodecs): Uint8Array {
  // lz4js reads a block's checksum in the wrong place; no Kafka client writes them.
  if (((bytes[4] ?? 0) & lz4BlockChecksum) !== 0)
    throw new Error('lz4 frames with block checksums are not supported')
  const bound = lz4js().decompressBound(bytes)
  if (bound > maxDecompressedBytes) throw new Error(`the records would take ${bound} bytes decompressed`)
  return lz4 === null ? lz4js().decompress(bytes, bound) : lz4(bytes)
}

function decompressZstd(bytes: Buffer, { zstd }: NativeCodecs): Uint8Array {
  return zstd === null ? fzstd().decompress(bytes) : zstd(bytes, maxDecompressedBytes)
}
