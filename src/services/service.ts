import type { Engine } from './engine.ts'

/** Where a service comes from: a URL in the environment, a container, or processes of this machine. */
export type Provider = 'env' | 'docker' | 'native'

interface Service {
  readonly provider: Provider
  /** Version of the server, `unknown` where it cannot be asked. */
  readonly version: string
  /** Ends what was started here and removes its data; does nothing to a server of the environment. Idempotent. */
  stop(): Promise<void>
}

/** What only a process of this machine can do: fail on purpose and come back on the same data and port. */
export interface NativeControl {
  readonly provider: 'native'
  /** Process id of the server, or of its last incarnation. */
  readonly pid: number
  readonly logFile: string
  /**
   * Sends `signal` (default SIGKILL) to the server and its children. With SIGKILL it resolves when they are gone.
   */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again on the same data directory and port; one that still runs is killed (SIGKILL) first. */
  restart(): Promise<void>
}

export interface RemoteKafka extends Service {
  readonly provider: 'env' | 'docker'
  readonly brokers: string[]
}
export interface NativeKafka extends Service, NativeControl {
  readonly provider: 'native'
  readonly brokers: string[]
  /** Address of each listener of {@link NativeKafkaOptions.listeners}, by its name. */
  readonly listeners: Readonly<Record<string, string>>
}

/** One node of a {@link NativeKafkaCluster}: broker and controller in one process. */
export interface NativeKafkaNode extends NativeControl {
  readonly nodeId: number
  /** `host:port` of its broker. */
  readonly address: string
}

export interface NativeKafkaCluster extends Service {
  readonly provider: 'native'
  /** Address of every node, also of those that are down. */
  readonly brokers: string[]
  /** In the order of their ids, which count from 1. */
  readonly nodes: readonly NativeKafkaNode[]
}
export type KafkaService = RemoteKafka | NativeKafka

export interface RemoteDatabase extends Service {
  readonly engine: Engine
  readonly provider: 'env' | 'docker'
  /** Of a user with all privileges, on a database that is there. */
  readonly url: string
}
export interface NativeDatabase extends Service, NativeControl {
  readonly engine: Engine
  readonly provider: 'native'
  readonly url: string
}
export interface NativePostgres extends NativeDatabase {
  /**
   * Another server that follows this one by streaming its log, asynchronously: what it has not received when this one
   * dies is lost to it. Promoted by `SELECT pg_promote()`. It has users and passwords of this one.
   */
  startStandby(): Promise<NativePostgres>
}
export type DatabaseService = RemoteDatabase | NativeDatabase

interface StartOptions {
  /** Told in one line what takes time: a download, an image, a start. */
  readonly onProgress?: (message: string) => void
  /** Port of 127.0.0.1 to listen on (native and docker). Default: a free one. */
  readonly port?: number
}

export interface KafkaOptions extends StartOptions {
  /** Upper bound of the broker's heap, as for `java -Xmx`. Default `512m`. Native only. */
  readonly memory?: string
  /** Broker properties, over the defaults of `kafka-properties.ts`. */
  readonly properties?: Readonly<Record<string, string>>
}

export interface NativeKafkaOptions extends KafkaOptions {
  /** More ways to reach the broker, beside the plain one that `brokers` names. */
  readonly listeners?: readonly KafkaListener[]
  /** Users that can log in by SCRAM-SHA-256 and SCRAM-SHA-512. */
  readonly scramUsers?: readonly KafkaUser[]
}

export interface KafkaListener {
  /** Upper case, other than PLAINTEXT and CONTROLLER. Its properties begin with `listener.name.<lower case>.` */
  readonly name: string
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  /** Host by which clients are told to reach it. Default `127.0.0.1` */
  readonly host?: string
  /** Its properties, without the prefix. */
  readonly properties?: Readonly<Record<string, string>>
}

export interface KafkaUser {
  readonly name: string
  readonly password: string
}

export interface KafkaClusterOptions extends Omit<KafkaOptions, 'port'> {
  /** Number of nodes, each broker and controller. Default 3. */
  readonly nodes?: number
}

export interface DatabaseOptions extends StartOptions {
  /**
   * Server settings over the defaults (`postgres -c name=value`, `mysqld --name=value`). Durability is the engine's own:
   * every commit is flushed.
   */
  readonly settings?: Readonly<Record<string, string>>
}
