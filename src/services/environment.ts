import { asError, OncesinkError } from '../errors.ts'
import { databaseNames, kafkaName, postgresName, type ServiceName } from './provider.ts'
import type { RemoteDatabase, RemoteKafka } from './service.ts'

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
export async function environmentPostgres(url: string): Promise<RemoteDatabase> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs })
  try {
    await client.connect()
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version')
    const version = rows[0]?.server_version.split(' ')[0] ?? 'unknown'
    return { engine: 'postgres', provider: 'env', version, url, stop: () => Promise.resolve() }
  } catch (error) {
    throw databaseSilent(postgresName, url, error)
  } finally {
    await client.end()
  }
}

/** The database that ONCESINK_MYSQL_URL or ONCESINK_MARIADB_URL names, after it has said which of the two it is. */
export async function environmentMysql(engine: 'mysql' | 'mariadb', url: string): Promise<RemoteDatabase> {
  const name = databaseNames[engine]
  const { default: mysql } = await import('mysql2/promise')
  let said: string
  try {
    const client = await mysql.createConnection({ uri: url, connectTimeout: connectTimeoutMs })
    try {
      const [rows] = await client.query('SELECT VERSION() AS version')
      said = (rows as { version: string }[])[0]?.version ?? ''
    } finally {
      client.destroy()
    }
  } catch (error) {
    throw databaseSilent(name, url, error)
  }
  if (/mariadb/i.test(said) !== (engine === 'mariadb')) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `${name.variable} is ${withoutPassword(url)}, where a server answers that is not ${name.title} but ${said}; MySQL belongs into ${databaseNames.mysql.variable}, MariaDB into ${databaseNames.mariadb.variable}`,
    )
  }
  const version = /\d+(\.\d+)*/.exec(said)?.[0] ?? 'unknown'
  return { engine, provider: 'env', version, url, stop: () => Promise.resolve() }
}

function databaseSilent(name: ServiceName, url: string, error: unknown): OncesinkError {
  return new OncesinkError('DATABASE_UNAVAILABLE', noAnswer(name, withoutPassword(url), error), {
    cause: error,
  })
}

function withoutPassword(url: string): string {
  return url.replace(/(:\/\/[^:/@]*):[^@]*@/, '$1:***@')
}

function noAnswer(name: ServiceName, value: string, error: unknown): string {
  return `${name.variable} is ${value}, but no ${name.title} answers there (${asError(error).message}); start it, or unset ${name.variable}`
}
