import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { createKafkajsClient } from '../../../../src/source/kafka/kafkajs.ts'
import { kafka } from '../../../../src/source/kafka/options.ts'

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
})
