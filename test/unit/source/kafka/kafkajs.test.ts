import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { createKafkajsClient } from '../../../../src/source/kafka/kafkajs.ts'
import { kafka } from '../../../../src/source/kafka/options.ts'
import { WireWriter } from '../../../../src/source/kafka/protocol/wire.ts'

/** What a broker answers that knows Metadata from version 0 to 12. */
function apiVersionsAnswer(correlationId: number): Buffer {
  const [noError, apis, throttleMs] = [0, 1, 0]
  const body = new WireWriter().int32(correlationId).int16(noError).int32(apis)
  const bytes = body.int16(3).int16(0).int16(12).int32(throttleMs).toBuffer()
  return new WireWriter().int32(bytes.length).bytes(bytes).toBuffer()
}

interface Queue {
  readonly pending: unknown[]
  readonly throttleCheckTimeoutId: unknown
  checkPendingRequests(): void
  destroy(): void
}

describe('createKafkajsClient', () => {
  test("kafkajs' timer runs only while a request is pending: it would use 2 to 5 % of a core for nothing", async () => {
    const client = createKafkajsClient(kafka({ brokers: ['localhost:1'], topics: ['t'] }), systemClock)
    const broker = await client.createBroker('localhost', 1)
    const { pool } = broker.connectionPool as unknown as { pool: { requestQueue: Queue }[] }
    expect(pool.length).toBe(2)
    for (const { requestQueue } of pool) {
      // This is what every answered request does.
      requestQueue.checkPendingRequests()
      expect(requestQueue.throttleCheckTimeoutId).toBeNull()
    }
  })

  test('the options given for TLS and SASL reach kafkajs as they are, secrets included, in objects of its own', async () => {
    const [ssl, sasl] = [
      { rejectUnauthorized: false, passphrase: 'p' },
      { mechanism: 'aws', authorizationIdentity: 'a', accessKeyId: 'k', secretAccessKey: 's' } as const,
    ]
    const plan = kafka({ brokers: ['localhost:1'], topics: ['t'], ssl, sasl })
    const broker = await createKafkajsClient(plan, systemClock).createBroker('localhost', 1)
    const pool = broker.connectionPool as unknown as { ssl: object; sasl: Record<string, unknown> }
    expect({ ...pool.ssl }).toEqual(ssl)
    expect({ ...pool.sasl }).toEqual(sasl)
    // kafkajs keeps its authenticator there.
    expect(Object.isFrozen(pool.sasl)).toBe(false)
  })

  test('a connection that broke inside a response leaves nothing of it to the next one', async () => {
    // Requests are numbered on over connections.
    const answers = [apiVersionsAnswer(0).subarray(0, 3), apiVersionsAnswer(1).subarray(0, 11)]
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => {
        const cutOff = answers.shift()
        if (cutOff === undefined) socket.write(apiVersionsAnswer(2))
        else socket.end(cutOff)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const plan = kafka({ brokers: [`127.0.0.1:${port}`], topics: ['t'] })
    const client = createKafkajsClient(plan, systemClock)
    onTestFinished(() => {
      client.cutConnections('the test is over')
      server.close()
    })
    const broker = await client.createBroker('127.0.0.1', port)
    await expect(broker.connect()).rejects.toThrow(/Closed connection/)
    await expect(broker.connect()).rejects.toThrow(/Closed connection/)
    await broker.connect()
    expect(broker.versions).toEqual({ 3: { minVersion: 0, maxVersion: 12 } })
  })

  test('what is no response breaks the connection, and not the process', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.write(Buffer.from([0, 0, 0, 1, 7])))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const client = createKafkajsClient(kafka({ brokers: [`127.0.0.1:${port}`], topics: ['t'] }), systemClock)
    onTestFinished(() => {
      client.cutConnections('the test is over')
      server.close()
    })
    const broker = await client.createBroker('127.0.0.1', port)
    await expect(broker.connect()).rejects.toThrow(/a response was not understood \(.*buffer bounds\)/)
  })

  test('who connects while somebody else does waits for the same connection', async () => {
    let accepted = 0
    const server = createServer(() => {
      accepted += 1
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const client = createKafkajsClient(kafka({ brokers: [`127.0.0.1:${port}`], topics: ['t'] }), systemClock)
    onTestFinished(() => {
      client.cutConnections('the test is over')
      server.close()
    })
    const { connectionPool } = await client.createBroker('127.0.0.1', port)
    const [first, second] = await Promise.all([
      connectionPool.getConnection(0),
      connectionPool.getConnection(0),
    ])
    expect(first).toBe(second)
    await connectionPool.getConnection(1)
    await vi.waitUntil(() => accepted >= 2)
    expect(accepted).toBe(2)
  })
})
