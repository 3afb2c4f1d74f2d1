import type { Job } from '../job/job.ts'
import type {
  DatabaseService,
  Engine,
  KafkaService,
  NativeDatabase,
  NativeKafkaCluster,
} from '../services/index.ts'
import type { History } from './history.ts'
import type { Lives } from './life/lives.ts'
import type { RecordStream } from './stream.ts'
import type { TcpProxy } from './tcp-proxy.ts'

/** Everything that a nemesis may harm, and what it needs to see that it has. */
export interface World {
  readonly history: History
  /** Aborted when the run is to end at once. */
  readonly signal: AbortSignal
  /** The job as it runs here, for whoever reads its tables; its database is reached without the proxy. */
  readonly job: Job
  readonly lives: Lives
  readonly stream: RecordStream
  readonly database: WorldDatabase
  readonly kafka: WorldKafka
  readonly sessionTimeoutMs: number
  /** How many members the job has when none is added or taken away. */
  readonly members: number
}

export interface WorldDatabase {
  readonly engine: Engine
  /** Of the run's own database, by a way that is never harmed; the same after a failover. */
  readonly url: string
  readonly service: DatabaseService
  /** The server that is written to; null where it is not one of this machine that the run has started. */
  readonly control: NativeDatabase | null
  /** Between the job's processes and the server. */
  readonly proxy: TcpProxy
  /** From now on both ways lead to `server`, which the run ends with the others. */
  failOver(server: NativeDatabase): void
  /** Names of the job's tables, the witness's left out. */
  readonly tables: readonly string[]
  /** How oncesink's own table of this name is written in SQL. */
  own(table: string): string
}

export interface WorldKafka {
  readonly brokers: readonly string[]
  readonly service: KafkaService | NativeKafkaCluster
  /** The run's topics by the names that the job's file gives them. */
  readonly topics: Readonly<Record<string, string>>
  /** Null where there is one broker only, or they are not the run's own. */
  readonly cluster: NativeKafkaCluster | null
  /** Between the job's processes and the brokers: one for each address of a broker. */
  readonly proxies: readonly TcpProxy[]
}
