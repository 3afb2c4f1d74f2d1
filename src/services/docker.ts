import type { StartedTestContainer } from 'testcontainers'
import { freePort } from './native/free-ports.ts'
import { containerEnvironment, kafkaProperties } from './native/kafka-properties.ts'
import { cannotStart, databaseNames, kafkaName, postgresName, type ServiceName } from './provider.ts'
import type { DatabaseOptions, KafkaOptions, RemoteDatabase, RemoteKafka } from './service.ts'

const kafkaVersion = '4.1.0'
const postgresVersion = '18'
const images = {
  mysql: { image: 'mysql', version: '9.7', variable: 'MYSQL_ROOT_PASSWORD', server: 'mysqld' },
  mariadb: { image: 'mariadb', version: '11.4', variable: 'MARIADB_ROOT_PASSWORD', server: 'mariadbd' },
} as const

/** The Docker way, through testcontainers; its reaper removes the containers when this process dies. */
export async function startDockerKafka(options: KafkaOptions): Promise<RemoteKafka> {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await testcontainers(kafkaName)
  const client = await getContainerRuntimeClient().catch((error: unknown) => {
    throw cannotStart(kafkaName, 'no Docker engine answers', error)
  })
  const host = client.info.containerRuntime.host
  // A broker tells its clients its own address, so the host's port must be known before the broker starts.
  const port = options.port ?? (await freePort())
  const properties = kafkaProperties(
    {
      nodeId: 1,
      listeners: 'PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093',
      advertisedListeners: `PLAINTEXT://${host}:${port}`,
      voters: '1@127.0.0.1:9093',
    },
    options.properties,
  )
  options.onProgress?.(`Kafka ${kafkaVersion}: starting a container`)
  const container = await started(kafkaName, () =>
    new GenericContainer(`apache/kafka:${kafkaVersion}`)
      .withExposedPorts({ container: 9092, host: port })
      .withEnvironment(containerEnvironment(properties))
      .withWaitStrategy(Wait.forLogMessage('Kafka Server started'))
      .start(),
  )
  return {
    provider: 'docker',
    version: kafkaVersion,
    brokers: [`${host}:${port}`],
    stop: stopOnce(container),
  }
}

export async function startDockerPostgres(options: DatabaseOptions): Promise<RemoteDatabase> {
  const { GenericContainer, Wait } = await testcontainers(postgresName)
  options.onProgress?.(`PostgreSQL ${postgresVersion}: starting a container`)
  const settings = Object.entries(options.settings ?? {}).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const container = await started(postgresName, () =>
    new GenericContainer(`postgres:${postgresVersion}`)
      .withExposedPorts(options.port === undefined ? 5432 : { container: 5432, host: options.port })
      .withEnvironment({ POSTGRES_PASSWORD: 'postgres' })
      .withCommand(['postgres', ...settings])
      // The image runs the server twice: first to initialise, without a port.
      .withWaitStrategy(Wait.forLogMessage('database system is ready to accept connections', 2))
      .start(),
  )
  const { output } = await container.exec(['postgres', '--version'])
  return {
    engine: 'postgres',
    provider: 'docker',
    version: /\d+(\.\d+)*/.exec(output)?.[0] ?? postgresVersion,
    url: `postgres://postgres:postgres@${container.getHost()}:${container.getMappedPort(5432)}/postgres`,
    stop: stopOnce(container),
  }
}

/** MySQL or MariaDB. */
export async function startDockerMysql(
  engine: 'mysql' | 'mariadb',
  options: DatabaseOptions,
): Promise<RemoteDatabase> {
  const name = databaseNames[engine]
  const { image, version, variable, server } = images[engine]
  const { GenericContainer, Wait } = await testcontainers(name)
  options.onProgress?.(`${name.title} ${version}: starting a container`)
  const settings = Object.entries(options.settings ?? {}).map(([key, value]) => `--${key}=${value}`)
  const container = await started(name, () =>
    new GenericContainer(`${image}:${version}`)
      .withExposedPorts(options.port === undefined ? 3306 : { container: 3306, host: options.port })
      .withEnvironment({ [variable]: 'root' })
      .withCommand([server, ...settings])
      // The image runs the server twice: first to initialise, on port 0. MySQL has one more port, 33060.
      .withWaitStrategy(Wait.forLogMessage(/port: 3306\s/))
      .start(),
  )
  const { output } = await container.exec([server, '--version'])
  return {
    engine,
    provider: 'docker',
    version: /\d+(\.\d+)*/.exec(output)?.[0] ?? version,
    url: `mysql://root:root@${container.getHost()}:${container.getMappedPort(3306)}/mysql`,
    stop: stopOnce(container),
  }
}

async function testcontainers(name: ServiceName) {
  try {
    return await import('testcontainers')
  } catch (error) {
    throw cannotStart(name, 'the npm package testcontainers cannot be loaded', error)
  }
}

async function started(
  name: ServiceName,
  start: () => Promise<StartedTestContainer>,
): Promise<StartedTestContainer> {
  try {
    return await start()
  } catch (error) {
    throw cannotStart(name, `the container does not start: ${String(error)}`, error)
  }
}

function stopOnce(container: StartedTestContainer): () => Promise<void> {
  let stopping: Promise<void> | undefined
  return () => {
    stopping ??= container.stop().then(() => undefined)
    return stopping
  }
}
