import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export interface KafkaProxy {
  readonly port: number
  /** Breaks every open connection. Returns how many there were. */
  cut(): number
  /** Lets nothing through any open connection any more, without closing it: half-open. New ones work. */
  silence(): number
  /**
   * From now on, every connection that is opened breaks when it has let this many bytes of responses through, which
   * is asked for once per connection: in the middle of a response, as a rule.
   */
  cutAfter(responseBytes: () => number): void
}

/** A TCP proxy in front of a broker, until the test has finished. The broker must advertise the proxy's address. */
export async function kafkaProxy(port: number, targetPort: number): Promise<KafkaProxy> {
  let responseBytes = () => Number.POSITIVE_INFINITY
  const pairs = new Set<readonly [Socket, Socket]>()
  const server = createServer((client) => {
    const target = connectTcp(targetPort, '127.0.0.1')
    const pair = [client, target] as const
    pairs.add(pair)
    let left = responseBytes()
    target.on('data', (bytes) => {
      const passing = bytes.subarray(0, left)
      left -= passing.length
      client.write(passing)
      // What was written still goes out.
      if (left <= 0) client.end(() => client.destroy())
    })
    client.on('data', (bytes) => target.write(bytes))
    for (const [from, to] of [pair, [target, client] as const]) {
      from.on('error', () => to.destroy())
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const breakAll = () => {
    const open = [...pairs]
    for (const [client] of open) client.destroy()
    return open.length
  }
  onTestFinished(async () => {
    breakAll()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    port,
    cut: breakAll,
    cutAfter(bytes) {
      responseBytes = bytes
    },
    silence() {
      const open = [...pairs]
      for (const socket of open.flat()) socket.pause()
      return open.length
    },
  }
}
