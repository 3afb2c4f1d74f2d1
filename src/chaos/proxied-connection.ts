import type { Socket } from 'node:net'
import type { ClientMessage, Conversation, ServerMessage } from './conversation.ts'
import type { CommitFault } from './tcp-proxy.ts'

export interface ProxiedConnectionOptions {
  readonly client: Socket
  readonly server: Socket
  /** Understands what passes; null where bytes are only passed on. */
  readonly conversation: Conversation | null
  /** Asked when a COMMIT is about to be passed on. */
  readonly faultAtCommit: () => CommitFault | null
  readonly onInjected: (fault: CommitFault) => void
  readonly onClose: () => void
}

/**
 * One client and its connection to the server.
 *
 * States: `passing` -> (COMMIT, cutAfterCommit) -> `swallowing` -> (the server has answered) -> `closed`;
 *         `passing` -> (COMMIT, cutBeforeCommit) -> `closed`; any -> (either side closes, reset()) -> `closed`.
 * While swallowing, what the server says is read and not passed on. Beside that, hold() stops both directions.
 */
export class ProxiedConnection {
  readonly #options: ProxiedConnectionOptions
  readonly #conversation: Conversation | null
  #state: 'passing' | 'swallowing' | 'closed' = 'passing'
  #held = false

  constructor(options: ProxiedConnectionOptions) {
    this.#options = options
    this.#conversation = options.conversation
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
    const conversation = this.#conversation
    if (conversation === null || conversation.opaque) this.#toServer(chunk)
    else for (const message of conversation.clientSays(chunk)) this.#clientSaid(message)
  }

  #clientSaid({ bytes, commits, completion }: ClientMessage): void {
    // A COMMIT that is being cut is the last thing that this client says.
    if (this.#state !== 'passing') return
    const fault = commits ? this.#options.faultAtCommit() : null
    if (fault === 'cutBeforeCommit') {
      this.#options.onInjected(fault)
      this.#close()
      return
    }
    this.#toServer(bytes)
    if (fault === 'cutAfterCommit') {
      this.#state = 'swallowing'
      if (completion) this.#toServer(completion)
    }
  }

  #fromServer(chunk: Buffer): void {
    const conversation = this.#conversation
    if (conversation === null || conversation.opaque) this.#toClient(chunk)
    else for (const message of conversation.serverSays(chunk)) this.#serverSaid(message)
  }

  #serverSaid({ bytes, tells }: ServerMessage): void {
    if (this.#state === 'passing') this.#toClient(bytes)
    else if (this.#state === 'swallowing' && tells !== null) {
      if (tells === 'committed') this.#options.onInjected('cutAfterCommit')
      this.#close()
    }
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
