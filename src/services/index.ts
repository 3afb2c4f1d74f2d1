/*
 * Real servers for the demo, the tests and the chaos suite. Production code never imports this folder.
 */
import { startDockerKafka, startDockerPostgres } from './docker.ts'
import { environmentKafka, environmentPostgres } from './environment.ts'
import { startNativeKafka } from './native/kafka.ts'
import { startNativePostgres } from './native/postgres.ts'
import { chooseProvider, kafkaName, postgresName } from './provider.ts'
import type { KafkaOptions, KafkaService, PostgresOptions, PostgresService } from './service.ts'

export { startNativeKafka } from './native/kafka.ts'
export { startNativeKafkaCluster } from './native/kafka-cluster.ts'
export { startNativePostgres } from './native/postgres.ts'
export type {
  KafkaClusterOptions,
  KafkaListener,
  KafkaOptions,
  KafkaService,
  KafkaUser,
  NativeControl,
  NativeKafka,
  NativeKafkaCluster,
  NativeKafkaNode,
  NativeKafkaOptions,
  NativePostgres,
  PostgresOptions,
  PostgresService,
  Provider,
} from './service.ts'

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
 * A PostgreSQL that answers: the one ONCESINK_POSTGRES_URL names, else a container, else a server on this machine.
 * ONCESINK_SERVICES=env|docker|native forces one way.
 * @throws OncesinkError CONFIGURATION_INVALID (what is missing, and every way to get it), DATABASE_UNAVAILABLE
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresService> {
  switch (await chooseProvider(postgresName)) {
    case 'env':
      return environmentPostgres(process.env[postgresName.variable] ?? '')
    case 'docker':
      return startDockerPostgres(options)
    case 'native':
      return startNativePostgres(options)
  }
}
