import { Kafka, logLevel } from 'kafkajs'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { NativeKafka } from '../../src/services/index.ts'
import { openSource, positionsAt, takeRecords } from '../support/kafka-reading.ts'
import { ownKafka } from '../support/kafka-service.ts'

const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required'

describe('a broker that wants credentials', () => {
  let kafka: NativeKafka
  const sasl = { mechanism: 'plain', username: 'alice', password: 'right' } as const
  beforeAll(async () => {
    kafka = await ownKafka({
      memory: '256m',
      properties: {
        'listener.security.protocol.map': 'PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN',
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.plaintext.plain.sasl.jaas.config': `${login} username="alice" password="right" user_alice="right";`,
      },
    })
  })

  test('lets in who has the right ones', async () => {
    const { brokers } = kafka
    const client = new Kafka({ brokers, sasl, logLevel: logLevel.NOTHING })
    const [admin, producer] = [client.admin(), client.producer()]
    onTestFinished(async () => {
      await Promise.all([admin.disconnect(), producer.disconnect()])
    })
    await Promise.all([admin.connect(), producer.connect()])
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic: 'secured' }] })
    await producer.send({ topic: 'secured', messages: [{ value: 'a' }, { value: 'b' }] })
    const { source } = await openSource(['secured'], { brokers, sasl })
    await source.seek(await positionsAt(source, 0n))
    expect((await takeRecords(source, 2)).values).toEqual(['a', 'b'])
  })

  test.each([
    ['wrong ones', { ...sasl, password: 'wrong' }],
    ['a mechanism that it does not offer', { ...sasl, mechanism: 'scram-sha-256' as const }],
  ])('refuses who has %s, for good', async (_, wrong) => {
    await expect(openSource(['secured'], { brokers: kafka.brokers, sasl: wrong })).rejects.toMatchObject({
      code: 'SOURCE_REFUSED',
      message: expect.stringMatching(/sasl option/),
    })
  })

  test('gives no answer to who has none, and the message says where to look', async () => {
    await expect(
      openSource(['secured'], { brokers: kafka.brokers, requestTimeoutMs: 1000 }),
    ).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/ssl and sasl options/),
    })
  })
})
