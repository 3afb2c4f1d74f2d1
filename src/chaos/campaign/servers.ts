import {
  type DatabaseService,
  type Engine,
  type KafkaService,
  type NativeDatabase,
  type NativeKafkaCluster,
  startDatabase,
  startKafka,
  startNativeDatabase,
  startNativeKafkaCluster,
} from '../../services/index.ts'
import { KafkaTools } from './kafka-tools.ts'

/** The servers of the campaigns; each is started when it is first asked for. */
export class Servers {
  readonly #onProgress: (message: string) => void
  readonly #shared = new Map<Engine, Promise<DatabaseService>>()
  readonly #own = new Map<Engine, Promise<NativeDatabase>>()
  #kafka: Promise<{ service: KafkaService; tools: KafkaTools }> | null = null
  #cluster: Promise<{ service: NativeKafkaCluster; tools: KafkaTools }> | null = null

  constructor(onProgress: (message: string) => void) {
    this.#onProgress = onProgress
  }

  /** One broker that campaigns share, and nobody kills. */
  async kafka(): Promise<KafkaTools> {
    this.#kafka ??= startKafka({ onProgress: this.#onProgress }).then(withTools)
    return (await this.#kafka).tools
  }

  /** Three brokers, to be killed. */
  async cluster(): Promise<{ readonly service: NativeKafkaCluster; readonly tools: KafkaTools }> {
    this.#cluster ??= startNativeKafkaCluster({ onProgress: this.#onProgress }).then(withTools)
    return this.#cluster
  }

  /** @returns the URL of a database of a server that campaigns share, and nobody kills */
  async database(engine: Engine): Promise<string> {
    const known = this.#shared.get(engine) ?? startDatabase(engine, { onProgress: this.#onProgress })
    this.#shared.set(engine, known)
    return (await known).url
  }

  /** What a program has to find in its environment to use the servers that nobody kills, and not to start its own. */
  async environment(): Promise<Readonly<Record<string, string>>> {
    const [kafka, postgres, mysql, mariadb] = await Promise.all([
      this.kafka(),
      this.database('postgres'),
      this.database('mysql'),
      this.database('mariadb'),
    ])
    return {
      ONCESINK_KAFKA_BROKERS: kafka.brokers.join(),
      ONCESINK_POSTGRES_URL: postgres,
      ONCESINK_MYSQL_URL: mysql,
      ONCESINK_MARIADB_URL: mariadb,
    }
  }

  /** A server to be killed. */
  ownDatabase(engine: Engine): Promise<NativeDatabase> {
    const known = this.#own.get(engine) ?? startNativeDatabase(engine, { onProgress: this.#onProgress })
    this.#own.set(engine, known)
    return known
  }

  /** Ends what was started here. */
  async close(): Promise<void> {
    for (const starting of [this.#kafka, this.#cluster]) {
      const kafka = await starting?.catch(() => null)
      if (kafka?.service.provider === 'env') await kafka.tools.deleteTopics()
      await kafka?.tools.close()
      await kafka?.service.stop()
    }
    for (const starting of [...this.#shared.values(), ...this.#own.values()]) {
      const service = await starting.catch(() => null)
      await service?.stop()
    }
  }
}

async function withTools<S extends { readonly brokers: readonly string[] }>(
  service: S,
): Promise<{ service: S; tools: KafkaTools }> {
  return { service, tools: await KafkaTools.connect(service.brokers) }
}
