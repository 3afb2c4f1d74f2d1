/*
 * Real servers for the demo, the tests and the chaos suite. Production code never imports this folder.
 */
import { startDockerKafka, startDockerMysql, startDockerPostgres } from './docker.ts'
import type { Engine } from './engine.ts'
import { environmentKafka, environmentMysql, environmentPostgres } from './environment.ts'
import { startNativeKafka } from './native/kafka.ts'
import { startNativeMariadb, startNativeMysql } from './native/mysql-server.ts'
import { startNativePostgres } from './native/postgres.ts'
import { removeSandboxes } from './native/sandbox.ts'
import { chooseProvider, databaseNames, kafkaName } from './provider.ts'
import type {
  DatabaseOptions,
  DatabaseService,
  KafkaOptions,
  KafkaService,
  NativeDatabase,
} from './service.ts'

export { type Engine, engines } from './engine.ts'
export { startNativeKafka } from './native/kafka.ts'
export { startNativeKafkaCluster } from './native/kafka-cluster.ts'
export { databaseNames } from './provider.ts'
export type {
  DatabaseOptions,
  DatabaseService,
  KafkaClusterOptions,
  KafkaListener,
  KafkaOptions,
  KafkaService,
  KafkaUser,
  NativeControl,
  NativeDatabase,
  NativeKafka,
  NativeKafkaCluster,
  NativeKafkaNode,
  NativeKafkaOptions,
  NativePostgres,
  Provider,
} from './service.ts'
export {
  createDatabase,
  dropDatabase,
  inSession,
  type Row,
  type RunSql,
  runStatements,
} from './statements.ts'

/**
 * A Kafka that answers: the one ONCESINK_KAFKA_BROKERS names, else a container, else a broker on this machine.
 * ONCESINK_SERVICES=env|docker|native forces one way.
 * @throws OncesinkError CONFIGURATION_INVALID (what is missing, and every way to get it), SOURCE_UNAVAILABLE
 */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaService> {
  switch (await chooseProvider(kafkaName)) {
    case 'env':
      return environmentKafka(process.env[kafkaName.variable] ?? '')
    case 'docker':
      return startDockerKafka(options)
    case 'native':
      return startNativeKafka(options)
  }
}

/**
 * A database that answers: the one that ONCESINK_POSTGRES_URL, ONCESINK_MYSQL_URL or ONCESINK_MARIADB_URL names, else a
 * container, else a server on this machine. ONCESINK_SERVICES=env|docker|native forces one way.
 * @throws OncesinkError CONFIGURATION_INVALID (what is missing, and every way to get it), DATABASE_UNAVAILABLE
 */
export async function startDatabase(engine: Engine, options: DatabaseOptions = {}): Promise<DatabaseService> {
  const name = databaseNames[engine]
  switch (await chooseProvider(name)) {
    case 'env': {
      const url = process.env[name.variable] ?? ''
      return engine === 'postgres' ? environmentPostgres(url) : environmentMysql(engine, url)
    }
    case 'docker':
      return engine === 'postgres' ? startDockerPostgres(options) : startDockerMysql(engine, options)
    case 'native':
      return startNativeDatabase(engine, options)
  }
}

/** A server of this machine, for whoever wants to kill it and start it again. */
export async function startNativeDatabase(
  engine: Engine,
  options: DatabaseOptions = {},
): Promise<NativeDatabase> {
  return nativeStarts[engine](options)
}

/**
 * Ends every server of this machine that this process has started, also those that are about to start, and removes their
 * data. For whoever cannot wait until they are ended one after another.
 */
export async function endNativeServers(): Promise<void> {
  await removeSandboxes()
}

const nativeStarts = {
  postgres: startNativePostgres,
  mysql: startNativeMysql,
  mariadb: startNativeMariadb,
} as const

/** {@link startDatabase} of PostgreSQL. */
export const startPostgres = (options?: DatabaseOptions): Promise<DatabaseService> =>
  startDatabase('postgres', options)

/** {@link startDatabase} of MySQL. */
export const startMysql = (options?: DatabaseOptions): Promise<DatabaseService> =>
  startDatabase('mysql', options)

/** {@link startDatabase} of MariaDB. */
export const startMariadb = (options?: DatabaseOptions): Promise<DatabaseService> =>
  startDatabase('mariadb', options)
