import { expect, test } from 'vitest'
import { startKafka, startPostgres } from '../../../src/services/index.ts'
import { createTopic, kafkaClient, kafkaService, produce } from '../../support/kafka-service.ts'
import { createDatabase, postgresService } from '../../support/postgres-service.ts'

test("the run's services answer, and are found through the environment's URLs", async () => {
  expect(await startKafka()).toMatchObject({ provider: 'env', brokers: kafkaService().brokers })
  expect(await startPostgres()).toMatchObject({ provider: 'env', url: postgresService().url })
})

test('a URL where nobody answers is said, without its password', async () => {
  process.env.ONCESINK_KAFKA_BROKERS = '127.0.0.1:1'
  process.env.ONCESINK_POSTGRES_URL = 'postgres://me:secret@127.0.0.1:1/db'
  await expect(startKafka()).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringContaining('ONCESINK_KAFKA_BROKERS is 127.0.0.1:1'),
  })
  const message = await startPostgres().catch(String)
  expect(message).toContain('postgres://me:***@127.0.0.1:1/db')
  expect(message).not.toContain('secret')
})

test('topics and databases of a test are new and empty', async () => {
  const topic = await createTopic('orders', { partitions: 2, config: { 'retention.ms': '60000' } })
  await produce(topic, [
    { partition: 0, value: 'a' },
    { partition: 1, value: 'b' },
    { partition: 1, value: 'c' },
  ])
  const admin = kafkaClient().admin()
  await admin.connect()
  const offsets = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  expect(offsets.map(({ partition, high }) => [partition, high]).sort()).toEqual([
    [0, '1'],
    [1, '2'],
  ])
  const { knex, name } = await createDatabase('orders')
  const { rows } = await knex.raw<{ rows: { name: string }[] }>('SELECT current_database() AS name')
  expect(rows).toEqual([{ name }])
})
