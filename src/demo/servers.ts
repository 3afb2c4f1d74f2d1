import { randomUUID } from 'node:crypto'
import {
  type DatabaseService,
  dropDatabase,
  type Engine,
  type KafkaService,
  startDatabase,
  startKafka,
} from '../services/index.ts'
import { createDatabase } from './database.ts'
import { createTopic, deleteTopic } from './producer.ts'

/** Kafka and a database server, with a topic and a database of the demo's own. */
export interface DemoServers {
  readonly engine: Engine
  readonly brokers: readonly string[]
  readonly topic: string
  readonly databaseUrl: string
  /** What the example's job reads from its environment. */
  readonly env: Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, string>>
  /** Removes what was created and ends what was started. */
  close(): Promise<void>
}

/**
 * Starts both services and prepares them. On servers of the environment topic and database get names of their own and
 * are removed in the end: nothing that was there before is touched.
 */
export async function startServers(
  engine: Engine,
  onProgress: (message: string) => void,
): Promise<DemoServers> {
  const started = await Promise.allSettled([
    startKafka({ onProgress }),
    startDatabase(engine, { onProgress }),
  ])
  const [kafka, database] = started
  try {
    if (kafka.status === 'rejected') throw kafka.reason
    if (database.status === 'rejected') throw database.reason
    return await prepare(kafka.value, database.value)
  } catch (error) {
    for (const service of started) if (service.status === 'fulfilled') await service.value.stop()
    throw error
  }
}

async function prepare(kafka: KafkaService, server: DatabaseService): Promise<DemoServers> {
  const own = randomUUID().slice(0, 8)
  const topic = kafka.provider === 'env' ? `orders-demo-${own}` : 'orders'
  const name = server.provider === 'env' ? `oncesink_demo_${own}` : 'oncesink_demo'
  const { brokers } = kafka
  const { engine } = server
  const databaseUrl = await createDatabase(engine, server.url, name)
  const drop = () => dropDatabase(engine, server.url, name)
  try {
    await createTopic(brokers, topic)
  } catch (error) {
    await drop()
    throw error
  }
  return {
    engine,
    brokers,
    topic,
    databaseUrl,
    env: { KAFKA_BROKERS: brokers.join(','), ORDERS_TOPIC: topic, DATABASE_URL: databaseUrl },
    versions: { kafka: kafka.version, [engine]: server.version },
    close: async () => {
      try {
        if (kafka.provider === 'env') await deleteTopic(brokers, topic)
        if (server.provider === 'env') await drop()
      } finally {
        await Promise.all([kafka.stop(), server.stop()])
      }
    },
  }
}
