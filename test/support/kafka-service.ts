import {
  type Admin,
  Kafka,
  type KafkaConfig,
  logLevel,
  type Message,
  Partitioners,
  type Producer,
} from 'kafkajs'
import { afterAll, inject } from 'vitest'
import {
  type KafkaClusterOptions,
  type NativeKafka,
  type NativeKafkaCluster,
  type NativeKafkaOptions,
  startNativeKafka,
  startNativeKafkaCluster,
} from '../../src/services/index.ts'
import { eventually } from './eventually.ts'
import { uniqueName } from './unique.ts'

/** Where the Kafka of this run is. */
export function kafkaService(): { readonly brokers: string[] } {
  return { brokers: inject('kafkaBrokers') }
}

/** A broker that belongs to the test alone, for tests that kill it; it ends after the test file. */
export async function ownKafka(options: NativeKafkaOptions = {}): Promise<NativeKafka> {
  const kafka = await startNativeKafka(options)
  cleanUp.push(() => kafka.stop())
  return kafka
}

/** Several brokers that belong to the test alone; they end after the test file. */
export async function ownKafkaCluster(options: KafkaClusterOptions = {}): Promise<NativeKafkaCluster> {
  const cluster = await startNativeKafkaCluster(options)
  cleanUp.push(() => cluster.stop())
  return cluster
}

/** A plain kafkajs client, for what a test does from outside. */
export function kafkaClient(
  brokers: string[] = kafkaService().brokers,
  options: Pick<KafkaConfig, 'requestTimeout' | 'connectionTimeout'> = {},
): Kafka {
  return new Kafka({ clientId: 'oncesink-test', brokers, logLevel: logLevel.NOTHING, ...options })
}

export interface TopicOptions {
  /** Default 1. */
  readonly partitions?: number
  /** Node ids of each partition's replicas, the leader first, in place of `partitions`. */
  readonly replicas?: readonly (readonly number[])[]
  /** Topic configuration, such as `{ 'retention.ms': '1000' }`. */
  readonly config?: Readonly<Record<string, string>>
  /** Default: the Kafka of this run. */
  readonly brokers?: string[]
}

/** Creates a topic with a unique name that begins with `stem`, and returns the name; deleted after the test file. */
export async function createTopic(stem: string, options: TopicOptions = {}): Promise<string> {
  const topic = uniqueName(stem)
  const { partitions = 1, replicas, config = {}, brokers = kafkaService().brokers } = options
  const { admin } = await clients(brokers)
  // Tests write records with timestamps of any year: retention takes only what a test has asked it to take.
  const effective = { 'retention.ms': '-1', ...config }
  const configEntries = Object.entries(effective).map(([name, value]) => ({ name, value }))
  const made = admin.createTopics({
    waitForLeaders: true,
    topics: [
      replicas === undefined
        ? { topic, numPartitions: partitions, configEntries }
        : {
            topic,
            configEntries,
            replicaAssignment: replicas.map((ids, partition) => ({ partition, replicas: [...ids] })),
          },
    ],
  })
  await made.catch(async (error: unknown) => {
    // The controller has made it, and a busy broker has not heard of it yet.
    if ((error as { type?: unknown }).type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
    await eventually(() =>
      admin.fetchTopicOffsets(topic).then(
        ({ length }) => length > 0,
        () => false,
      ),
    )
  })
  // A broker of a test's own takes its topics along.
  if (brokers.join() === kafkaService().brokers.join()) {
    cleanUp.push(async () => {
      // A test may have deleted it.
      if ((await admin.listTopics()).includes(topic)) await admin.deleteTopics({ topics: [topic] })
    })
  }
  return topic
}

/**
 * Appends records, acknowledged by the broker before it resolves. A record goes to its `partition`, or where its key
 * sends it; records for one partition keep their order.
 */
export async function produce(
  topic: string,
  records: readonly Message[],
  brokers: string[] = kafkaService().brokers,
): Promise<void> {
  const { producer } = await clients(brokers)
  await producer.send({ topic, messages: [...records], acks: -1 })
}

interface Clients {
  readonly admin: Admin
  readonly producer: Producer
}

const connected = new Map<string, Promise<Clients>>()
const cleanUp: (() => Promise<unknown>)[] = []

function clients(brokers: string[]): Promise<Clients> {
  const known = connected.get(brokers.join())
  if (known) return known
  const connecting = connect(brokers)
  connected.set(brokers.join(), connecting)
  return connecting
}

async function connect(brokers: string[]): Promise<Clients> {
  const kafka = kafkaClient(brokers)
  const admin = kafka.admin()
  // Idempotent: what the client repeats because one of the partitions was not ready is stored once in the others too.
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await Promise.all([admin.connect(), producer.connect()])
  return { admin, producer }
}

afterAll(async () => {
  for (const step of cleanUp.splice(0)) await step()
  for (const { admin, producer } of await Promise.all(connected.values())) {
    await Promise.all([admin.disconnect(), producer.disconnect()])
  }
  connected.clear()
})
