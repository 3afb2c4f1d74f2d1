import type { ClientMessage, Conversation, ServerMessage } from './conversation.ts'
import {
  BackendMessages,
  CommitWatch,
  commandTag,
  FrontendMessages,
  isEncryptionRequest,
} from './postgres-messages.ts'

const ENCRYPTED = 'S'.charCodeAt(0)
/** Ends an extended query: without it the server would not answer. */
const sync = Buffer.from([0x53, 0, 0, 0, 4])

/** States: `clear` -> (the server takes a request for encryption) -> `opaque`, for good. */
export class PostgresConversation implements Conversation {
  readonly #frontend = new FrontendMessages()
  readonly #backend = new BackendMessages()
  readonly #commits = new CommitWatch()
  #opaque = false
  #committed = false

  get opaque(): boolean {
    return this.#opaque
  }

  clientSays(chunk: Buffer): ClientMessage[] {
    return this.#frontend.push(chunk).map((message) => {
      if (isEncryptionRequest(message)) this.#backend.expectSingleByte()
      const { bytes, type } = message
      const commits = this.#commits.isCommit(message)
      return { bytes, commits, ...(commits && type === 'E' && { completion: sync }) }
    })
  }

  serverSays(chunk: Buffer): ServerMessage[] {
    return this.#backend.push(chunk).map((message) => {
      const { bytes, type } = message
      if (type === '' && bytes[0] === ENCRYPTED) this.#opaque = true
      if (commandTag(message) === 'COMMIT') this.#committed = true
      // Only when the server is ready again it has done with the COMMIT for certain.
      if (type !== 'Z') return { bytes, tells: null }
      const tells = this.#committed ? 'committed' : 'other'
      this.#committed = false
      return { bytes, tells }
    })
  }
}
