import type { Socket } from 'node:net'
import {
  BackendMessages,
  CommitWatch,
  commandTag,
  FrontendMessages,
  isEncryptionRequest,
  type ProtocolMessage,
} from './postgres-messages.ts'
import type { CommitFault } from './tcp-proxy.ts'

export interface ProxiedConnectionOptions {
  readonly client: Socket
  readonly server: Socket
  /** Whether the bytes are PostgreSQL's protocol. */
  readonly understands: boolean
  /** Asked when a COMMIT is about to be passed on. */
  readonly faultAtCommit: () => CommitFault | null
  readonly onInjected: (fault: CommitFault) => void
  readonly onClose: () => void
}

/**
 * One client and its connection to the server.
 *
 * States: `passing` -> (COMMIT, cutAfterCommit) -> `swallowing` -> (the server is ready again) -> `closed`;
 *         `passing` -> (COMMIT, cutBeforeCommit) -> `closed`; any -> (either side closes, reset()) -> `closed`.
 * While swallowing, what the server says is read and not passed on. Beside that, hold() stops both directions.
 */
export class ProxiedConnection {
  readonly #options: ProxiedConnectionOptions
  readonly #frontend = new FrontendMessages()
  readonly #backend = new BackendMessages()
  readonly #commits = new CommitWatch()
  #state: 'passing' | 'swallowing' | 'closed' = 'passing'
  #committed = false
  /** TLS has begun: bytes cannot be understood any more. */
  #opaque: boolean
  #held = false

  constructor(options: ProxiedConnectionOptions) {
    this.#options = options
    this.#opaque = !options.understands
    const { client, server } = options
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      // A socket's error is followed by its close.
      socket.on('error', () => {})
      socket.on('close', () => this.#close())
    }
    client.on('data', (chunk: Buffer) => this.#fromClient(chunk))
    server.on('data', (chunk: Buffer) => this.#fromServer(chunk))
    client.on('drain', () => this.#resume(server))
    server.on('drain', () => this.#resume(client))
  }

  /** No byte passes until release(); the kernels' buffers fill up as they would. */
  hold(): void {
    this.#held = true
    this.#options.client.pause()
    this.#options.server.pause()
  }

  release(): void {
    this.#held = false
    this.#options.client.resume()
    this.#options.server.resume()
  }

  reset(): void {
    this.#close()
  }

  #fromClient(chunk: Buffer): void {
    if (this.#opaque) this.#toServer(chunk)
    else for (const message of this.#frontend.push(chunk)) this.#clientSaid(message)
  }

  #clientSaid(message: ProtocolMessage): void {
    // A COMMIT that is being cut is the last thing that this client says.
    if (this.#state !== 'passing') return
    if (isEncryptionRequest(message)) this.#backend.expectSingleByte()
    const fault = this.#commits.isCommit(message) ? this.#options.faultAtCommit() : null
    if (fault === 'cutBeforeCommit') {
      this.#options.onInjected(fault)
      this.#close()
      return
    }
    this.#toServer(message.bytes)
    if (fault === 'cutAfterCommit') {
      this.#state = 'swallowing'
      // The rest of an extended query, without which the server would not answer.
      if (message.type === 'E') this.#toServer(sync)
    }
  }

  #fromServer(chunk: Buffer): void {
    if (this.#opaque) this.#toClient(chunk)
    else for (const message of this.#backend.push(chunk)) this.#serverSaid(message)
  }

  #serverSaid(message: ProtocolMessage): void {
    if (this.#state === 'passing') {
      if (message.type === '' && message.bytes[0] === ENCRYPTED) this.#opaque = true
      this.#toClient(message.bytes)
    } else if (this.#state === 'swallowing' && this.#hasAnswered(message)) this.#close()
  }

  /** Whether the server has done with the COMMIT. Only then it is certain that it was executed. */
  #hasAnswered(message: ProtocolMessage): boolean {
    if (commandTag(message) === 'COMMIT') this.#committed = true
    if (message.type !== 'Z') return false
    if (this.#committed) this.#options.onInjected('cutAfterCommit')
    return true
  }

  #toServer(bytes: Buffer): void {
    if (!this.#options.server.write(bytes)) this.#options.client.pause()
  }

  #toClient(bytes: Buffer): void {
    if (!this.#options.client.write(bytes)) this.#options.server.pause()
  }

  #resume(socket: Socket): void {
    if (!this.#held) socket.resume()
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#options.client.resetAndDestroy()
    this.#options.server.resetAndDestroy()
    this.#options.onClose()
  }
}

const ENCRYPTED = 'S'.charCodeAt(0)
const sync = Buffer.from([0x53, 0, 0, 0, 4])
