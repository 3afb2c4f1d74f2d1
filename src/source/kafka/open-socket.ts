import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { KafkaTls } from './security.ts'

const keepAliveAfterMs = 60_000

export interface SocketTarget {
  readonly host: string
  readonly port: number
  /** TLS, or plain text where it is absent or false. */
  readonly ssl?: KafkaTls | undefined
}

/** A socket to a broker, connecting. `onConnect` is called when it may be written to: after TLS was agreed on. */
export function openSocket({ host, port, ssl }: SocketTarget, onConnect: () => void): Socket {
  // A bare `true` spreads to nothing: the defaults of tls.connect.
  const options: ConnectionOptions = ssl === true || !ssl ? {} : ssl
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...options }, onConnect)
    : connectTcp({ host, port }, onConnect)
  socket.setKeepAlive(true, keepAliveAfterMs)
  socket.setNoDelay(true)
  return socket
}
