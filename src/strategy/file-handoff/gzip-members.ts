import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { StringDecoder } from 'node:string_decoder'
import { promisify } from 'node:util'
import { constants, crc32, createGunzip, gzip } from 'node:zlib'

/*
 * A file is a sequence of gzip members (RFC 1952, 2.2), which `gunzip` reads as one text. The last member is a digest of
 * every byte before it. It is not compressed, and nothing in it is left to chance, so that it can be compared as a
 * whole: inside a compressed member there are bits that no reader looks at.
 */

/** How lines become bytes, and bytes lines again. */
export interface Packing {
  pack(lines: Iterable<string>): Promise<Buffer>
  /** Throws an Error when the bytes are not what was packed. */
  unpack(bytes: Buffer): AsyncIterable<string>
}

const compress = promisify(gzip)

/** Text is compressed in pieces of about so many characters. */
const BLOCK_CHARACTERS = 2 ** 18

/** The bytes of a file with these lines, digest included. */
export async function packLines(lines: Iterable<string>): Promise<Buffer> {
  const members: Buffer[] = []
  let block: string[] = []
  let characters = 0
  const flush = async () => {
    if (block.length === 0) return
    members.push(await compress(`${block.join('\n')}\n`, { level: constants.Z_BEST_SPEED }))
    block = []
    characters = 0
  }
  for (const line of lines) {
    block.push(line)
    characters += line.length
    if (characters >= BLOCK_CHARACTERS) await flush()
  }
  await flush()
  const content = Buffer.concat(members)
  return Buffer.concat([content, digestMember(content)])
}

/** The last member of a file whose other bytes are `content`: a gzip member with one stored block (RFC 1951, 3.2.4). */
function digestMember(content: Uint8Array): Buffer {
  const sha256 = createHash('sha256').update(content).digest('hex')
  const text = Buffer.from(`${JSON.stringify({ sha256 })}\n`)
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
  const block = Buffer.alloc(5)
  block[0] = 1
  block.writeUInt16LE(text.length, 1)
  block.writeUInt16LE(~text.length & 0xffff, 3)
  const end = Buffer.alloc(8)
  end.writeUInt32LE(crc32(text), 0)
  end.writeUInt32LE(text.length, 4)
  return Buffer.concat([header, block, text, end])
}

export const DIGEST_BYTES = digestMember(Buffer.alloc(0)).length

/**
 * The lines of a file, without that of the digest.
 * @throws Error when a byte of it is not what was written, or it is not whole
 */
export async function* unpackLines(bytes: Buffer): AsyncGenerator<string, void> {
  const content = bytes.subarray(0, Math.max(0, bytes.length - DIGEST_BYTES))
  if (!bytes.subarray(content.length).equals(digestMember(content))) {
    throw new Error('its digest is not that of its bytes: it is damaged, or was cut off')
  }
  const gunzip = createGunzip()
  const decoder = new StringDecoder('utf8')
  let rest = ''
  gunzip.end(content)
  for await (const chunk of gunzip) {
    const pieces = (rest + decoder.write(chunk as Buffer)).split('\n')
    rest = pieces.pop() ?? ''
    yield* pieces
  }
  if (rest !== '') throw new Error('its last line has no end')
}

/** What files are. */
export const gzipMembers: Packing = { pack: packLines, unpack: unpackLines }
