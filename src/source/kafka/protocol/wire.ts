import type { WireRequest } from '../kafkajs.ts'

/** Bytes of a request, written front to back. Integers are big-endian, as everywhere in the protocol. */
export class WireWriter {
  readonly #parts: Buffer[] = []

  int8(value: number): this {
    const bytes = Buffer.allocUnsafe(1)
    bytes.writeInt8(value)
    return this.bytes(bytes)
  }

  int16(value: number): this {
    const bytes = Buffer.allocUnsafe(2)
    bytes.writeInt16BE(value)
    return this.bytes(bytes)
  }

  int32(value: number): this {
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeInt32BE(value)
    return this.bytes(bytes)
  }

  int64(value: number | bigint): this {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeBigInt64BE(BigInt(value))
    return this.bytes(bytes)
  }

  string(text: string): this {
    const bytes = Buffer.from(text)
    return this.int16(bytes.length).bytes(bytes)
  }

  nullableString(text: string | null): this {
    return text === null ? this.int16(-1) : this.string(text)
  }

  /** Bytes after their number. */
  sizedBytes(bytes: Buffer): this {
    return this.int32(bytes.length).bytes(bytes)
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  unsignedVarint(value: number): this {
    const bytes: number[] = []
    let rest = value
    for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
    bytes.push(rest)
    return this.bytes(Buffer.from(bytes))
  }

  compactString(text: string): this {
    const bytes = Buffer.from(text)
    return this.unsignedVarint(bytes.length + 1).bytes(bytes)
  }

  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.unsignedVarint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  uuid(text: string): this {
    return this.bytes(Buffer.from(text.replaceAll('-', ''), 'hex'))
  }

  bytes(bytes: Buffer): this {
    this.#parts.push(bytes)
    return this
  }

  toBuffer(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

/** Reads a response front to back; a response that is too short throws a RangeError. */
export class WireReader {
  readonly bytes: Buffer
  position = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  int16(): number {
    this.position += 2
    return this.bytes.readInt16BE(this.position - 2)
  }

  int32(): number {
    this.position += 4
    return this.bytes.readInt32BE(this.position - 4)
  }

  int64(): bigint {
    this.position += 8
    return this.bytes.readBigInt64BE(this.position - 8)
  }

  boolean(): boolean {
    this.position += 1
    return this.bytes.readInt8(this.position - 1) !== 0
  }

  string(): string {
    const length = this.int16()
    return length < 0 ? '' : this.view(length).toString()
  }

  nullableString(): string | null {
    const length = this.int16()
    return length < 0 ? null : this.view(length).toString()
  }

  /** Bytes after their number, as a view; none where they are null. */
  sizedBytes(): Buffer {
    return this.view(Math.max(0, this.int32()))
  }

  /** `length` bytes as a view, not a copy. */
  view(length: number): Buffer {
    const end = this.position + length
    if (length < 0 || end > this.bytes.length) throw new RangeError('the response ends inside a field')
    const view = this.bytes.subarray(this.position, end)
    this.position = end
    return view
  }

  /** The protocol's arrays carry -1 where they are null. */
  array<T>(read: () => T): T[] {
    const items: T[] = []
    for (let left = this.int32(); left > 0; left--) items.push(read())
    return items
  }

  unsignedVarint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      this.position += 1
      const byte = this.bytes.readUInt8(this.position - 1)
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }

  compactString(): string | null {
    const length = this.unsignedVarint()
    return length === 0 ? null : this.view(length - 1).toString()
  }

  compactArray<T>(read: () => T): T[] {
    const items: T[] = []
    for (let left = this.unsignedVarint() - 1; left > 0; left--) items.push(read())
    return items
  }

  uuid(): string {
    const hex = this.view(16).toString('hex')
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  }

  skipTaggedFields(): void {
    for (let left = this.unsignedVarint(); left > 0; left--) {
      this.unsignedVarint()
      this.view(this.unsignedVarint())
    }
  }
}

export interface Api {
  readonly key: number
  readonly version: number
  readonly name: string
}

/**
 * Joins body and decoder to what kafkajs' connection sends. `decode` returns the throttle time with its value.
 * @param requestTimeoutMs where the broker may take longer to answer than the client's `requestTimeoutMs`
 */
export function wireRequest<T>(
  api: Api,
  body: WireWriter,
  decode: (reader: WireReader) => { readonly value: T; readonly throttleMs: number },
  requestTimeoutMs?: number,
): WireRequest<T> {
  const buffer = body.toBuffer()
  return {
    ...(requestTimeoutMs !== undefined && { requestTimeout: requestTimeoutMs }),
    request: {
      apiKey: api.key,
      apiVersion: api.version,
      apiName: api.name,
      encode: () => Promise.resolve({ buf: buffer, buffer }),
    },
    response: {
      decode: (raw) =>
        Promise.resolve(raw).then((bytes) => {
          const { value, throttleMs } = decode(new WireReader(bytes))
          return { value, clientSideThrottleTime: throttleMs }
        }),
      parse: (decoded) => Promise.resolve(decoded.value),
    },
  }
}
