import { type AddressInfo, createServer, type Server, Socket } from 'node:net'
import type { Conversation } from './conversation.ts'
import { MysqlConversation } from './mysql-messages.ts'
import { PostgresConversation } from './postgres-conversation.ts'
import { ProxiedConnection } from './proxied-connection.ts'
import { type Shape, straight } from './shaped-link.ts'

/** What may be done to one COMMIT. */
export type CommitFault =
  /** The message does not reach the server; both sides see a reset. */
  | 'cutBeforeCommit'
  /** The server executes it and answers; the answer is not delivered, the client sees a reset. */
  | 'cutAfterCommit'

export type FaultName = CommitFault | 'blackhole' | 'reset'

export type Protocol = 'postgres' | 'mysql' | 'none'

export interface TcpProxyOptions {
  readonly target: { readonly host: string; readonly port: number }
  /**
   * Whose messages are understood, which makes faults at COMMIT possible (not through TLS or compression); `mysql` is
   * MariaDB's too; `none` forwards bytes.
   * @default 'postgres'
   */
  readonly protocol?: Protocol
  /** The port to listen on, on 127.0.0.1. @default any free port */
  readonly port?: number
}

export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** Open connections. */
  readonly connections: number
  /** Faults that have really happened, by name. A run in which this stays zero has proven nothing. */
  readonly injected: Readonly<Record<FaultName, number>>
  /** Injects at the next `times` COMMITs (default 1), after faults that were asked for before. */
  cutBeforeCommit(times?: number): void
  cutAfterCommit(times?: number): void
  /** Asked at every COMMIT for which nothing else is asked for. */
  decideAtCommit(decide: () => CommitFault | null): void
  /** No longer asks for faults at COMMITs that have not come yet. */
  forget(): void
  /** From now on everything takes so much longer, in milliseconds, in both directions; 0 ends it. */
  delay(ms: number): void
  /** From now on so many bytes a second pass in each direction of each connection; null ends it. */
  throttle(bytesPerSecond: number | null): void
  /** Connections that are opened from now on go to another server. */
  retarget(target: { readonly host: string; readonly port: number }): void
  /** From now on no byte passes, in any connection, old or new, and nobody is told: a half-open network. */
  blackhole(): void
  /** Ends the black hole. What was held back is delivered. */
  heal(): void
  /** Resets every open connection on both sides. */
  reset(): void
  /** Resets everything and stops listening. */
  close(): Promise<void>
}

/** Starts a proxy in front of a server, which passes everything on until it is told otherwise. */
export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const { protocol = 'postgres' } = options
  let { target } = options
  let shape: Shape = straight
  const injected = { cutBeforeCommit: 0, cutAfterCommit: 0, blackhole: 0, reset: 0 }
  const asked: CommitFault[] = []
  let decide: () => CommitFault | null = () => null
  let dark = false
  const open = new Set<ProxiedConnection>()
  const server: Server = createServer((client) => {
    const connection = new ProxiedConnection({
      client,
      server: new Socket().connect(target.port, target.host),
      conversation: conversationIn(protocol),
      faultAtCommit: () => asked.shift() ?? decide(),
      shape: () => shape,
      onInjected: (fault) => {
        injected[fault] += 1
      },
      onClose: () => open.delete(connection),
    })
    open.add(connection)
    if (dark) connection.hold()
  })
  await listen(server, options.port ?? 0)
  const { address, port } = server.address() as AddressInfo
  const reset = () => {
    for (const connection of open) {
      injected.reset += 1
      connection.reset()
    }
  }
  return {
    host: address,
    port,
    injected,
    get connections() {
      return open.size
    },
    cutBeforeCommit: (times = 1) => void asked.push(...Array<CommitFault>(times).fill('cutBeforeCommit')),
    cutAfterCommit: (times = 1) => void asked.push(...Array<CommitFault>(times).fill('cutAfterCommit')),
    decideAtCommit: (next) => {
      decide = next
    },
    forget: () => {
      asked.length = 0
    },
    delay: (delayMs) => {
      shape = { ...shape, delayMs }
    },
    throttle: (bytesPerSecond) => {
      shape = { ...shape, bytesPerSecond }
    },
    retarget: (next) => {
      target = next
    },
    blackhole: () => {
      dark = true
      injected.blackhole += 1
      for (const connection of open) connection.hold()
    },
    heal: () => {
      dark = false
      for (const connection of open) connection.release()
    },
    reset,
    close: async () => {
      const closed = new Promise<void>((resolve, reject) =>
        server.close((error) => (error ? reject(error) : resolve())),
      )
      for (const connection of open) connection.reset()
      await closed
    },
  }
}

function conversationIn(protocol: Protocol): Conversation | null {
  switch (protocol) {
    case 'postgres':
      return new PostgresConversation()
    case 'mysql':
      return new MysqlConversation()
    case 'none':
      return null
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
}
