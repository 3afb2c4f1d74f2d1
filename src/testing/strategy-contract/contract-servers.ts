import { asError } from '../../errors.ts'
import {
  type DatabaseService,
  type Engine,
  type KafkaService,
  startDatabase,
  startKafka,
} from '../../services/index.ts'
import { ContractTopics } from './contract-topics.ts'
import { ContractWorld, type Ground } from './contract-world.ts'

/** Kafka and databases of all scenarios, each started when the first scenario needs it. */
export class ContractServers {
  readonly #onProgress: (message: string) => void
  #kafka: Promise<{ readonly service: KafkaService; readonly topics: ContractTopics }> | null = null
  readonly #databases = new Map<Engine, Promise<DatabaseService>>()

  constructor(onProgress: (message: string) => void) {
    this.#onProgress = onProgress
  }

  /** Plays a scenario in a world of its own, which is gone afterwards. */
  async inWorld(
    engine: Engine,
    options: Pick<Ground, 'sessionTimeoutMs' | 'seed'>,
    play: (world: ContractWorld) => Promise<void>,
  ): Promise<void> {
    const [{ service, topics }, database] = await Promise.all([this.#openKafka(), this.#openDatabase(engine)])
    const ground = { engine, databaseUrl: database.url, brokers: service.brokers, topics, ...options }
    const world = await ContractWorld.open(ground)
    try {
      await play(world)
    } catch (error) {
      throw world.explain(asError(error))
    } finally {
      await world.close()
    }
  }

  #openKafka() {
    this.#kafka ??= startKafka({ onProgress: this.#onProgress }).then(async (service) => ({
      service,
      topics: await ContractTopics.connect(service.brokers),
    }))
    return this.#kafka
  }

  #openDatabase(engine: Engine): Promise<DatabaseService> {
    const opening = this.#databases.get(engine) ?? startDatabase(engine, { onProgress: this.#onProgress })
    this.#databases.set(engine, opening)
    return opening
  }

  async close(): Promise<void> {
    const started = await Promise.allSettled(this.#databases.values())
    for (const start of started) if (start.status === 'fulfilled') await start.value.stop()
    const kafka = await this.#kafka?.catch(() => null)
    await kafka?.topics.close()
    await kafka?.service.stop()
  }
}
