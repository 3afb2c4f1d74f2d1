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

/** What is received at once, in bytes. */
const receiveBytes = 256 * 1024

/**
 * A socket to a broker, connecting. `onConnect` is called when it may be written to: after TLS was agreed on.
 * @param receive is given what comes in, in a buffer that is used again when it returns; without it, the socket's events
 *   `data` have it
 */
export function openSocket(
  { host, port, ssl }: SocketTarget,
  onConnect: () => void,
  receive?: (bytes: Uint8Array) => void,
): Socket {
  const onread = receive && {
    buffer: Buffer.allocUnsafeSlow(receiveBytes),
    callback: (length: number, buffer: Uint8Array) => {
      receive(buffer.subarray(0, length))
      return true
    },
  }
  // A bare `true` spreads to nothing: the defaults of tls.connect.
  const options: ConnectionOptions = ssl === true || !ssl ? {} : ssl
  const target = { host, port, ...(onread && { onread }) }
  const socket: Socket = ssl
    ? connectTls({ ...target, ...(isIP(host) ? {} : { servername: host }), ...options }, onConnect)
    : connectTcp(target, onConnect)
  socket.setKeepAlive(true, keepAliveAfterMs)
  socket.setNoDelay(true)
  return socket
}
