import { asError, OncesinkError } from '../errors.ts'
import { kafkaName, postgresName, type ServiceName } from './provider.ts'
import type { RemoteKafka, RemotePostgres } from './service.ts'

/** How long a server of the environment may take to answer the first question. */
const connectTimeoutMs = 10_000

/** The broker that ONCESINK_KAFKA_BROKERS names, after it has answered. */
export async function environmentKafka(value: string): Promise<RemoteKafka> {
  const brokers = value
    .split(',')
    .map((broker) => broker.trim())
    .filter(Boolean)
  const { Kafka, logLevel } = (await import('kafkajs')).default
  const kafka = new Kafka({
    clientId: 'oncesink-services',
    brokers,
    logLevel: logLevel.NOTHING,
    connectionTimeout: connectTimeoutMs,
    retry: { retries: 1 },
  })
  const admin = kafka.admin()
  try {
    await admin.connect()
    await admin.describeCluster()
  } catch (error) {
    throw new OncesinkError('SOURCE_UNAVAILABLE', noAnswer(kafkaName, value, error), { cause: error })
  } finally {
    await admin.disconnect()
  }
  return { provider: 'env', version: 'unknown', brokers, stop: () => Promise.resolve() }
}

/** The database that ONCESINK_POSTGRES_URL names, after it has answered. */
export async function environmentPostgres(url: string): Promise<RemotePostgres> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs })
  try {
    await client.connect()
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version')
    const version = rows[0]?.server_version.split(' ')[0] ?? 'unknown'
    return { provider: 'env', version, url, stop: () => Promise.resolve() }
  } catch (error) {
    const shown = url.replace(/(:\/\/[^:/@]*):[^@]*@/, '$1:***@')
    throw new OncesinkError('DATABASE_UNAVAILABLE', noAnswer(postgresName, shown, error), { cause: error })
  } finally {
    await client.end()
  }
}

function noAnswer(name: ServiceName, value: string, error: unknown): string {
  return `${name.variable} is ${value}, but no ${name.title} answers there (${asError(error).message}); start it, or unset ${name.variable}`
}
