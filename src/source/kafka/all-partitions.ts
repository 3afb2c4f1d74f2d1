import { asError, OncesinkError } from '../../errors.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { AssignmentChange, Membership } from '../membership.ts'
import { partitionsToRead, type Source } from '../source.ts'

export interface AllPartitionsDeps {
  readonly runtime: Runtime
  /** How often to look for new partitions, in milliseconds. */
  readonly metadataRefreshMs: number
}

/**
 * The membership of `assignment: 'all'`: this process owns every partition of every subscribed topic, or those that
 * the `partitions` option selects.
 */
export function createAllPartitions(source: Source, deps: AllPartitionsDeps): Membership {
  return new AllPartitions(source, deps)
}

/**
 * States: `stopped` -> start() -> `member` (looks for new partitions in the background) -> stop() -> `stopped`.
 * Partitions are only ever gained, by topics that grow and topics that newly match a pattern: Kafka cannot take one
 * from a topic, and a topic that is gone or recreated ends
 * the job by way of the source.
 */
class AllPartitions implements Membership {
  readonly isShared = false
  readonly member = null
  readonly #source: Source
  readonly #deps: AllPartitionsDeps
  readonly #known = new Set<string>()
  readonly #listeners = new Set<() => void>()
  #gained: TopicPartition[] = []
  #stopping: AbortController | null = null
  #watching: Promise<void> = Promise.resolve()
  #failure: OncesinkError | null = null

  constructor(source: Source, deps: AllPartitionsDeps) {
    this.#source = source
    this.#deps = deps
  }

  async start(): Promise<readonly TopicPartition[]> {
    await this.stop()
    this.#known.clear()
    this.#failure = null
    await this.#look()
    const { gained } = this.#drain()
    this.#stopping = new AbortController()
    this.#watching = this.#watch(this.#stopping.signal)
    return gained
  }

  /** @throws OncesinkError why the topics can no longer be described (TOPIC_MISSING, SOURCE_REFUSED) */
  takeChanges(): AssignmentChange {
    if (this.#failure !== null) throw this.#failure
    return this.#drain()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Always: what makes it safe is that claims are conditional in SQL, where another process would be seen. */
  confirm(): Promise<boolean> {
    return Promise.resolve(true)
  }

  async stop(): Promise<void> {
    this.#stopping?.abort()
    this.#stopping = null
    await this.#watching
  }

  #drain(): AssignmentChange {
    const gained = sortedByPartition(this.#gained)
    this.#gained = []
    return { gained, lost: [] }
  }

  async #look(): Promise<void> {
    const { topics } = await this.#source.describe()
    for (const description of topics) {
      const { topic } = description
      for (const partition of partitionsToRead(description)) {
        const key = topicPartitionKey({ topic, partition })
        if (this.#known.has(key)) continue
        this.#known.add(key)
        this.#gained.push({ topic, partition })
      }
    }
  }

  async #watch(stopped: AbortSignal): Promise<void> {
    const { runtime, metadataRefreshMs } = this.#deps
    for (;;) {
      await runtime.clock.sleep(metadataRefreshMs, stopped)
      if (stopped.aborted) return
      try {
        const before = this.#gained.length
        await this.#look()
        if (this.#gained.length > before) this.#tell()
      } catch (error) {
        if (stopped.aborted) return
        const reason = asError(error)
        // The source reports brokers that do not answer, and goes on trying; so does the next look.
        if (reason instanceof OncesinkError && reason.disposition === 'retry') continue
        this.#failure = reason instanceof OncesinkError ? reason : unexpected(reason)
        this.#tell()
        return
      }
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

function unexpected(cause: Error): OncesinkError {
  return new OncesinkError('INVARIANT_VIOLATED', `looking for new partitions failed: ${cause.message}`, {
    cause,
  })
}
