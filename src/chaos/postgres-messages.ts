/*
 * Just enough of PostgreSQL's protocol (version 3) to know what passes: messages are cut out of the stream whatever
 * segments it arrives in, and only COMMIT and the answers to it are understood.
 */

/** One message, with its type byte (empty for the untyped first messages of a client) and its length word. */
export interface ProtocolMessage {
  readonly type: string
  readonly bytes: Buffer
}

const SSL_REQUEST = 80_877_103
const GSS_REQUEST = 80_877_104
const STARTUP = 196_608

/**
 * Cuts a client's stream into messages.
 *
 * States: `untyped` (requests for encryption, then the startup message) -> `typed`, for good.
 */
export class FrontendMessages {
  #rest = Buffer.alloc(0)
  #typed = false

  push(chunk: Buffer): ProtocolMessage[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const messages: ProtocolMessage[] = []
    for (;;) {
      const lengthAt = this.#typed ? 1 : 0
      const bytes = take(this.#rest, lengthAt)
      if (!bytes) return messages
      this.#rest = this.#rest.subarray(bytes.length)
      messages.push({ type: this.#typed ? String.fromCharCode(bytes[0] ?? 0) : '', bytes })
      if (!this.#typed && isStartup(bytes)) this.#typed = true
    }
  }
}

/** Cuts a server's stream into messages; answers to requests for encryption are single bytes and come before. */
export class BackendMessages {
  #rest = Buffer.alloc(0)
  #singleBytes = 0

  /** The next byte is an answer to a request for encryption. */
  expectSingleByte(): void {
    this.#singleBytes += 1
  }

  push(chunk: Buffer): ProtocolMessage[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const messages: ProtocolMessage[] = []
    while (this.#singleBytes > 0 && this.#rest.length > 0) {
      messages.push({ type: '', bytes: this.#rest.subarray(0, 1) })
      this.#rest = this.#rest.subarray(1)
      this.#singleBytes -= 1
    }
    for (;;) {
      const bytes = take(this.#rest, 1)
      if (!bytes) return messages
      this.#rest = this.#rest.subarray(bytes.length)
      messages.push({ type: String.fromCharCode(bytes[0] ?? 0), bytes })
    }
  }
}

/**
 * Follows a client's messages and says which of them makes the server commit: a simple query, or the execution of a
 * statement that was parsed and bound before.
 */
export class CommitWatch {
  /** Names of prepared statements, and of portals, that would commit. */
  readonly #statements = new Set<string>()
  readonly #portals = new Set<string>()

  isCommit({ type, bytes }: ProtocolMessage): boolean {
    const body = bytes.subarray(5)
    switch (type) {
      case 'Q':
        return isCommitText(text(body, 0).value)
      case 'P': {
        const name = text(body, 0)
        mark(this.#statements, name.value, isCommitText(text(body, name.end).value))
        return false
      }
      case 'B': {
        const portal = text(body, 0)
        mark(this.#portals, portal.value, this.#statements.has(text(body, portal.end).value))
        return false
      }
      case 'E':
        return this.#portals.has(text(body, 0).value)
      default:
        return false
    }
  }
}

export function isEncryptionRequest({ type, bytes }: ProtocolMessage): boolean {
  if (type !== '' || bytes.length !== 8) return false
  const code = bytes.readUInt32BE(4)
  return code === SSL_REQUEST || code === GSS_REQUEST
}

/** The tag of a CommandComplete message, for example `COMMIT`; null for other messages. */
export function commandTag({ type, bytes }: ProtocolMessage): string | null {
  return type === 'C' ? text(bytes.subarray(5), 0).value : null
}

function take(buffer: Buffer, lengthAt: number): Buffer | null {
  if (buffer.length < lengthAt + 4) return null
  const length = lengthAt + buffer.readUInt32BE(lengthAt)
  return buffer.length < length ? null : buffer.subarray(0, length)
}

function isStartup(bytes: Buffer): boolean {
  return bytes.length > 8 && bytes.readUInt32BE(4) >>> 16 === STARTUP >>> 16
}

function isCommitText(sql: string): boolean {
  return /^\s*(commit|end)\b/i.test(sql)
}

function mark(set: Set<string>, name: string, present: boolean): void {
  if (present) set.add(name)
  else set.delete(name)
}

/** The zero-terminated text at `start`, and where the next one begins. */
function text(body: Buffer, start: number): { value: string; end: number } {
  const zero = body.indexOf(0, start)
  const stop = zero === -1 ? body.length : zero
  return { value: body.toString('utf8', start, stop), end: stop + 1 }
}
