import { openSocket, type SocketTarget } from './open-socket.ts'
import { WireReader, WireWriter } from './protocol/wire.ts'

/** What answers at a port, as far as anybody may know who has not logged in. */
export interface ProbedPort {
  /** Whether it agreed on TLS, where that was asked for. */
  readonly connected: boolean
  /** Whether Kafka answered. */
  readonly speaksKafka: boolean
  /** SASL mechanisms that it offers; null where it wants no login, or does not say. */
  readonly mechanisms: readonly string[] | null
  /** How the connection broke, if it did. */
  readonly error: Error | null
}

const apiVersions = 18
const saslHandshake = 17
const unsupportedMechanism = 33
/** No broker offers it: what it does offer is in the refusal. */
const noMechanism = 'NONE'

/**
 * Looks who is there, to explain a connection that was closed without a word. It sends no credentials.
 * @param timeoutMs how long it may be silent
 */
export function probePort(target: SocketTarget, timeoutMs: number): Promise<ProbedPort> {
  return new Promise((resolve) => {
    let connected = false
    let error: Error | null = null
    let received = Buffer.alloc(0)
    const socket = openSocket(target, () => {
      connected = true
      socket.write(Buffer.concat([request(apiVersions, 0, 1), request(saslHandshake, 1, 2, noMechanism)]))
    })
    const end = () => {
      socket.destroy()
      resolve({ connected, error, ...understood(received) })
    }
    socket.setTimeout(timeoutMs, end)
    socket.on('error', (reason) => {
      error = reason
    })
    socket.on('close', end)
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes])
      const { speaksKafka, mechanisms } = understood(received)
      if (frames(received).length >= 2 || (received.length > 4 && !speaksKafka) || mechanisms !== null) end()
    })
  })
}

function request(apiKey: number, version: number, correlationId: number, text?: string): Buffer {
  const body = new WireWriter().int16(apiKey).int16(version).int32(correlationId).string('oncesink')
  if (text !== undefined) body.string(text)
  const bytes = body.toBuffer()
  return new WireWriter().int32(bytes.length).bytes(bytes).toBuffer()
}

function understood(received: Buffer): Omit<ProbedPort, 'connected' | 'error'> {
  const [versions, handshake] = frames(received)
  const speaksKafka = versions?.readInt32BE(0) === 1
  if (!speaksKafka || handshake === undefined) return { speaksKafka, mechanisms: null }
  const reader = new WireReader(handshake)
  reader.int32()
  const errorCode = reader.int16()
  return {
    speaksKafka,
    mechanisms: errorCode === unsupportedMechanism ? reader.array(() => reader.string()) : null,
  }
}

/** Complete responses, each without its length. */
function frames(received: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let position = 0; position + 4 <= received.length; ) {
    const end = position + 4 + received.readInt32BE(position)
    if (end < position + 8 || end > received.length) break
    found.push(received.subarray(position + 4, end))
    position = end
  }
  return found
}
