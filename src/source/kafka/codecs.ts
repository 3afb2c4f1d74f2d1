import { gunzipSync } from 'node:zlib'
import { decompress as zstdDecompress } from 'fzstd'
import lz4js from 'lz4js'
import snappyjs from 'snappyjs'

/** Records of one batch may not grow beyond this when decompressed. Brokers accept 1 MiB compressed by default. */
export const maxDecompressedBytes = 1024 * 1024 * 1024

const codecs: Readonly<Record<number, (bytes: Buffer) => Uint8Array>> = {
  1: (bytes) => gunzipSync(bytes, { maxOutputLength: maxDecompressedBytes }),
  2: decompressSnappy,
  3: decompressLz4,
  4: decompressZstd,
}

/**
 * The records of a compressed batch.
 * @throws Error when the codec is unknown or the bytes are damaged
 */
export function decompress(codec: number, bytes: Buffer): Buffer {
  const decoder = codecs[codec]
  if (decoder === undefined) throw new Error(`unknown compression codec ${codec}`)
  const result = decoder(bytes)
  return Buffer.from(result.buffer, result.byteOffset, result.byteLength)
}

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const xerialHeaderBytes = 16

/** Java clients and brokers wrap snappy blocks in xerial's framing, others write one bare block. */
function decompressSnappy(bytes: Buffer): Uint8Array {
  if (!bytes.subarray(0, xerialMagic.length).equals(xerialMagic)) {
    return snappyjs.uncompress(bytes, maxDecompressedBytes)
  }
  const blocks: Uint8Array[] = []
  let total = 0
  for (let position = xerialHeaderBytes; position < bytes.length; ) {
    const end = position + 4 + bytes.readInt32BE(position)
    if (end > bytes.length || end < position + 4) throw new Error('a snappy block ends past the record batch')
    const block = snappyjs.uncompress(bytes.subarray(position + 4, end), maxDecompressedBytes - total)
    blocks.push(block)
    total += block.length
    position = end
  }
  return Buffer.concat(blocks, total)
}

const lz4BlockChecksum = 0x10

function decompressLz4(bytes: Buffer): Uint8Array {
  // lz4js reads a block's checksum in the wrong place; no Kafka client writes them.
  if (((bytes[4] ?? 0) & lz4BlockChecksum) !== 0)
    throw new Error('lz4 frames with block checksums are not supported')
  const bound = lz4js.decompressBound(bytes)
  if (bound > maxDecompressedBytes) throw new Error(`the records would take ${bound} bytes decompressed`)
  return lz4js.decompress(bytes, bound)
}

function decompressZstd(bytes: Buffer): Uint8Array {
  return zstdDecompress(bytes)
}
