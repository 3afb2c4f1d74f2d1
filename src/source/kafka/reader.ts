import { asError, OncesinkError } from '../../errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import { Brokers } from './brokers.ts'
import { ClusterView } from './cluster-view.ts'
import type { KafkaSourcePlan } from './options.ts'
import { PositionCheck } from './position-check.ts'
import type { ReadPartition } from './read-partition.ts'
import { Troubles } from './troubles.ts'
import { Wakeup } from './wakeup.ts'

/** What the coroutines of one open source share. */
export class Reader {
  readonly plan: KafkaSourcePlan
  readonly runtime: Runtime
  readonly maxBufferedBytes: number
  readonly brokers: Brokers
  readonly cluster: ClusterView
  readonly check: PositionCheck
  readonly troubles: Troubles
  /** The partitions being read, by `topicPartitionKey`. */
  readonly partitions = new Map<string, ReadPartition>()
  /** Whoever takes records waits here for records or a reason to stop. */
  readonly news: Wakeup
  /** Answers to fetches so far, of all leaders: partitions move from one to another. */
  answers = 0
  /** Whether somebody waits for records. */
  isAwaited = false
  /** The caretaker waits here for troubles. */
  readonly care: Wakeup
  readonly #closing = new AbortController()
  #seekCounter = 0
  #crash: OncesinkError | null = null

  constructor(plan: KafkaSourcePlan, runtime: Runtime, events: JobEventBus, maxBufferedBytes: number) {
    this.plan = plan
    this.runtime = runtime
    this.maxBufferedBytes = maxBufferedBytes
    this.brokers = new Brokers(plan, runtime.clock)
    this.cluster = new ClusterView(this.brokers, runtime.clock, plan)
    this.check = new PositionCheck(this.brokers, this.cluster, runtime, this.closed)
    this.troubles = new Troubles(events, runtime.random)
    this.news = new Wakeup(runtime.clock)
    this.care = new Wakeup(runtime.clock)
  }

  get closed(): AbortSignal {
    return this.#closing.signal
  }

  close(): void {
    this.#closing.abort()
    this.brokers.close()
  }

  /** A counter that no earlier fetch carries. */
  nextSeekCounter(): number {
    this.#seekCounter += 1
    return this.#seekCounter
  }

  /** Reports passing trouble to the caretaker. */
  report(subject: string, reason: Error): void {
    this.troubles.report(subject, reason)
    this.care.wake()
  }

  fail(partition: ReadPartition, error: OncesinkError): void {
    partition.fail(error)
    this.news.wake()
  }

  /** Stops everything because of an error that is no single partition's. */
  crash(error: unknown): void {
    this.#crash ??=
      error instanceof OncesinkError
        ? error
        : new OncesinkError(
            'INVARIANT_VIOLATED',
            `reading Kafka failed unexpectedly: ${asError(error).message}`,
            {
              cause: error,
            },
          )
    this.news.wake()
  }

  /** @throws OncesinkError the first reason why reading cannot go on */
  throwStopError(): void {
    if (this.#crash !== null) throw this.#crash
    for (const { stopError } of this.partitions.values()) if (stopError !== null) throw stopError
  }
}
