import type { Socket } from 'node:net'
import type { ClientMessage, Conversation, ServerMessage } from './conversation.ts'
import { type Shape, ShapedLink } from './shaped-link.ts'
import type { CommitFault } from './tcp-proxy.ts'

export interface ProxiedConnectionOptions {
  readonly client: Socket
  readonly server: Socket
  /** Understands what passes; null where bytes are only passed on. */
  readonly conversation: Conversation | null
  /** Asked when a COMMIT is about to be passed on. */
  readonly faultAtCommit: () => CommitFault | null
  readonly onInjected: (fault: CommitFault) => void
  /** How both directions are shaped now. */
  readonly shape: () => Shape
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
  readonly #up: ShapedLink
  readonly #down: ShapedLink
  #state: 'passing' | 'swallowing' | 'closed' = 'passing'
  #held = false

  constructor(options: ProxiedConnectionOptions) {
    this.#options = options
    this.#conversation = options.conversation
    const { client, server, shape } = options
    this.#up = new ShapedLink(
      shape,
      (bytes) => {
        if (!server.write(bytes)) client.pause()
      },
      () => this.#resume(client),
    )
    this.#down = new ShapedLink(
      shape,
      (bytes) => {
        if (!client.write(bytes)) server.pause()
      },
      () => this.#resume(server),
    )
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
    this.#up.hold()
    this.#down.hold()
  }

  release(): void {
    this.#held = false
    this.#options.client.resume()
    this.#options.server.resume()
    this.#up.release()
    this.#down.release()
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
    this.#up.push(bytes)
    if (this.#up.full) this.#options.client.pause()
  }

  #toClient(bytes: Buffer): void {
    this.#down.push(bytes)
    if (this.#down.full) this.#options.server.pause()
  }

  #resume(socket: Socket): void {
    const link = socket === this.#options.client ? this.#up : this.#down
    if (!this.#held && !link.full) socket.resume()
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#up.close()
    this.#down.close()
    this.#options.client.resetAndDestroy()
    this.#options.server.resetAndDestroy()
    this.#options.onClose()
  }
}
