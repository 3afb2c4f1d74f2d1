import type { ClientMessage, Conversation, ServerMessage } from './conversation.ts'

/*
 * Just enough of the protocol of MySQL and MariaDB to know what passes: packets are cut out of both streams, the
 * handshake passes by, and only COMMIT and the answers to it are understood.
 */

/** Bytes before a packet's payload: its length (3, little-endian) and its number in the exchange (1). */
const HEADER_BYTES = 4

const QUERY = 0x03
const STATEMENT_PREPARE = 0x16
const STATEMENT_EXECUTE = 0x17

const OK = 0x00
const LOCAL_FILE = 0xfb

/** Capabilities that a client asks for in its first packet. */
const COMPRESS = 0x20
const TLS = 0x800
/** Of MySQL 8.3 and newer clients. */
const ZSTD = 0x4000000

/** Cuts either side's stream into packets, each with its header. */
export class MysqlPackets {
  #rest = Buffer.alloc(0)

  push(chunk: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const packets: Buffer[] = []
    while (this.#rest.length >= HEADER_BYTES) {
      const length = HEADER_BYTES + this.#rest.readUIntLE(0, 3)
      if (this.#rest.length < length) break
      packets.push(this.#rest.subarray(0, length))
      this.#rest = this.#rest.subarray(length)
    }
    return packets
  }

  /** What was pushed and is no packet yet. */
  takeRest(): Buffer {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return rest
  }
}

type Asked = 'commit' | 'prepare commit' | 'other'

/**
 * States: `handshake` -> (the client's first packet) -> `commands`, or `opaque` for good where it asks for TLS or
 * compression. Within `commands` a client says one thing and waits for its answer; where the answer is a wish for a
 * file (LOAD DATA LOCAL), packets of the file follow until an empty one.
 */
export class MysqlConversation implements Conversation {
  readonly #client = new MysqlPackets()
  readonly #server = new MysqlPackets()
  #state: 'handshake' | 'commands' | 'opaque' = 'handshake'
  /** What the server has not begun to answer yet. */
  #asked: Asked | null = null
  #sendsFile = false
  /** Ids of prepared statements that would commit. */
  readonly #statements = new Set<number>()

  get opaque(): boolean {
    return this.#state === 'opaque'
  }

  clientSays(chunk: Buffer): ClientMessage[] {
    const messages: ClientMessage[] = []
    for (const bytes of this.#client.push(chunk)) {
      messages.push({ bytes, commits: this.#clientSent(bytes) })
    }
    // A client begins with TLS before the server has said anything to it.
    if (this.opaque) messages.push({ bytes: this.#client.takeRest(), commits: false })
    return messages
  }

  serverSays(chunk: Buffer): ServerMessage[] {
    return this.#server.push(chunk).map((bytes) => ({ bytes, tells: this.#serverSent(bytes) }))
  }

  #clientSent(packet: Buffer): boolean {
    const payload = packet.subarray(HEADER_BYTES)
    if (this.#state === 'opaque') return false
    if (this.#state === 'handshake') {
      const capabilities = payload.length >= 4 ? payload.readUInt32LE(0) : 0
      this.#state = (capabilities & (TLS | COMPRESS | ZSTD)) === 0 ? 'commands' : 'opaque'
      return false
    }
    if (this.#sendsFile) {
      this.#sendsFile = payload.length > 0
      return false
    }
    // Answers in the handshake and the later parts of a large statement have higher numbers.
    if (packet[3] !== 0) return false
    this.#asked = this.#whatIsAsked(payload)
    return this.#asked === 'commit'
  }

  #whatIsAsked(payload: Buffer): Asked {
    switch (payload[0]) {
      case QUERY:
        return isCommitText(payload.subarray(1)) ? 'commit' : 'other'
      case STATEMENT_PREPARE:
        return isCommitText(payload.subarray(1)) ? 'prepare commit' : 'other'
      case STATEMENT_EXECUTE:
        return payload.length >= 5 && this.#statements.has(payload.readUInt32LE(1)) ? 'commit' : 'other'
      default:
        return 'other'
    }
  }

  #serverSent(packet: Buffer): ServerMessage['tells'] {
    const payload = packet.subarray(HEADER_BYTES)
    const asked = this.#asked
    if (asked === null) return null
    // Rows and columns, which may follow, begin with any byte.
    this.#asked = null
    if (payload[0] === LOCAL_FILE) {
      this.#sendsFile = true
      return null
    }
    if (payload[0] === OK && asked === 'commit') return 'committed'
    if (payload[0] === OK && asked === 'prepare commit' && payload.length >= 5) {
      this.#statements.add(payload.readUInt32LE(1))
    }
    return 'other'
  }
}

/** A statement's text, before which a client may say that it has no attributes (a count of 0, in one set). */
function isCommitText(bytes: Buffer): boolean {
  const start = bytes[0] === 0 && bytes[1] === 1 ? 2 : 0
  return /^\s*commit\b/i.test(bytes.toString('utf8', start, start + 100))
}
