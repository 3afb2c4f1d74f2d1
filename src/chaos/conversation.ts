/**
 * What a client and a database server say to each other on one connection, as far as a proxy must understand it: both
 * streams cut into messages, whatever segments they arrive in, and which of these ask for a COMMIT or answer one.
 */
export interface Conversation {
  /**
   * TLS or compression has begun. What was cut by then is handed out, and whatever comes after it cannot be understood
   * any more: it need not be said here.
   */
  readonly opaque: boolean
  clientSays(chunk: Buffer): ClientMessage[]
  serverSays(chunk: Buffer): ServerMessage[]
}

export interface ClientMessage {
  readonly bytes: Buffer
  /** Whether it makes the server commit. */
  readonly commits: boolean
  /** What must follow before the server answers, where this message alone is not enough. */
  readonly completion?: Buffer
}

export interface ServerMessage {
  readonly bytes: Buffer
  /** What it tells a client that waits for the end of a statement: that a COMMIT was executed, or anything else. */
  readonly tells: 'committed' | 'other' | null
}
