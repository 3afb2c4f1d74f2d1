import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { type DatabaseService, type KafkaService, startKafka, startPostgres } from '../services/index.ts'
import { tableFile } from './job-process.ts'
import { createTopic, deleteTopic } from './producer.ts'
import type { TableRow } from './totals.ts'

/** Kafka and PostgreSQL with a topic and a database of the demo's own. */
export interface DemoServers {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly databaseUrl: string
  /** What the example's job reads from its environment. */
  readonly env: Readonly<Record<string, string>>
  readonly versions: { readonly kafka: string; readonly postgres: string }
  /** Removes what was created and ends what was started. */
  close(): Promise<void>
}

/**
 * Starts both services and prepares them. On servers of the environment topic and database get names of their own and
 * are removed in the end: nothing that was there before is touched.
 */
export async function startServers(onProgress: (message: string) => void): Promise<DemoServers> {
  const started = await Promise.allSettled([startKafka({ onProgress }), startPostgres({ onProgress })])
  const [kafka, postgres] = started
  try {
    if (kafka.status === 'rejected') throw kafka.reason
    if (postgres.status === 'rejected') throw postgres.reason
    return await prepare(kafka.value, postgres.value)
  } catch (error) {
    for (const service of started) if (service.status === 'fulfilled') await service.value.stop()
    throw error
  }
}

async function prepare(kafka: KafkaService, postgres: DatabaseService): Promise<DemoServers> {
  const own = randomUUID().slice(0, 8)
  const topic = kafka.provider === 'env' ? `orders-demo-${own}` : 'orders'
  const database = postgres.provider === 'env' ? `oncesink_demo_${own}` : 'oncesink_demo'
  const { brokers } = kafka
  await query(postgres.url, `CREATE DATABASE ${database}`)
  const databaseUrl = withDatabase(postgres.url, database)
  const dropDatabase = () => query(postgres.url, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)
  try {
    await query(databaseUrl, await readFile(tableFile, 'utf8'))
    await createTopic(brokers, topic)
  } catch (error) {
    await dropDatabase()
    throw error
  }
  return {
    brokers,
    topic,
    databaseUrl,
    env: { KAFKA_BROKERS: brokers.join(','), ORDERS_TOPIC: topic, DATABASE_URL: databaseUrl },
    versions: { kafka: kafka.version, postgres: postgres.version },
    close: async () => {
      try {
        if (kafka.provider === 'env') await deleteTopic(brokers, topic)
        if (postgres.provider === 'env') await dropDatabase()
      } finally {
        await Promise.all([kafka.stop(), postgres.stop()])
      }
    },
  }
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

/** Every row of the example's table, read with plain SQL. */
export async function readTotals(databaseUrl: string): Promise<TableRow[]> {
  return query<TableRow>(
    databaseUrl,
    `SELECT item, to_char(minute AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS minute,
       orders::text AS orders, trim_scale(revenue * 100)::text AS cents
     FROM orders_by_item`,
  )
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<Row>(sql)
    return rows
  } finally {
    await client.end()
  }
}
