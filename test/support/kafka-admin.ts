import { type Admin, type Message, Partitioners, type Transaction } from 'kafkajs'
import { onTestFinished } from 'vitest'
import { eventually } from './eventually.ts'
import { kafkaClient } from './kafka-service.ts'

/** An admin client that is connected until the end of the test. */
export async function kafkaAdmin(brokers?: string[]): Promise<Admin> {
  const admin = kafkaClient(brokers).admin()
  await admin.connect()
  onTestFinished(() => admin.disconnect())
  return admin
}

/** Deletes the records of partition 0 below `offset`, as retention would. */
export async function deleteRecordsBelow(topic: string, offset: number): Promise<void> {
  const admin = await kafkaAdmin()
  // Without having asked about the topic, this client does not find the leader to ask.
  await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] })
}

/** Opens a transaction of a producer of its own; end it with `commit()` or `abort()`. */
export async function kafkaTransaction(transactionalId: string): Promise<Transaction> {
  const producer = kafkaClient().producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  return producer.transaction()
}

/** Raises the number of the topic's partitions. */
export async function addPartitions(topic: string, count: number, brokers?: string[]): Promise<void> {
  const admin = await kafkaAdmin(brokers)
  await admin.createPartitions({ topicPartitions: [{ topic, count }] })
  // Every new leader has answered: a send before that is partly repeated by this client, and so counts twice.
  await eventually(async () => (await admin.fetchTopicOffsets(topic)).length === count)
}

/** Appends by a producer that knows of partitions added a moment ago; a longer connected one drops such records. */
export async function produceAfresh(topic: string, messages: Message[], brokers?: string[]): Promise<void> {
  const producer = kafkaClient(brokers).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  await producer.send({ topic, messages, acks: -1 })
  await producer.disconnect()
}
