import { type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Source } from '../../source/source.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import type { Executor } from '../executor.ts'
import type { TaskWatch } from '../partition-task.ts'
import { encodeError } from './encode-error.ts'
import { encodeResult } from './encode-result.ts'
import type { Answers, Ask, TaggedResult, ToDriver, ToWorker } from './messages.ts'
import type { Transfers } from './pack-value.ts'
import type { Vitals } from './vitals.ts'
import { BEAT_MS } from './watchdog.ts'

/** What a worker computes with, once its job is loaded. */
export interface Workplace {
  readonly source: Source
  /** Runs tasks in this thread, over {@link source}. */
  readonly executor: Executor
  /** What makes up the job, by name. */
  readonly parts: Readonly<Record<string, string>>
}

export interface WorkerServerDeps {
  readonly post: (message: ToDriver, transfers: Transfers) => void
  readonly vitals: Vitals
  readonly clock: Clock
  /** Called once. What it throws is the answer to `open`. */
  readonly prepare: (watch: TaskWatch) => Promise<Workplace>
  /** Called when everything is closed. */
  readonly onClosed: () => void
}

interface Answer {
  readonly answer: Answers[Ask['kind']]
  readonly transfers: Transfers
}

/**
 * The worker's side: an inline executor over a source of its own, that is asked from another thread.
 *
 * States: `new` -> open -> `open`, when the job is loaded (a failure to connect leaves it `new`, to be opened again) ->
 * close -> `closed`.
 */
export class WorkerServer {
  readonly #deps: WorkerServerDeps
  readonly #closing = new AbortController()
  /** Of what is being waited for, by the id of the ask. */
  readonly #waiting = new Map<number, AbortController>()
  readonly #generations = new Map<string, number>()
  #workplace: Promise<Workplace> | null = null
  #open: Workplace | null = null

  constructor(deps: WorkerServerDeps) {
    this.#deps = deps
  }

  /** Says again and again that the event loop of this thread turns, until the worker is closed. */
  async beat(): Promise<void> {
    const { vitals, clock } = this.#deps
    while (!this.#closing.signal.aborted) {
      vitals.beat()
      await clock.sleep(BEAT_MS, this.#closing.signal)
    }
  }

  async receive(message: ToWorker): Promise<void> {
    switch (message.kind) {
      case 'drop':
        this.#begin(message.partitions, message.generation)
        return this.#open?.executor.drop(message.partitions)
      case 'cease':
        return this.#waiting.get(message.id)?.abort()
      case 'ask':
        return this.#answer(message.id, message.ask)
    }
  }

  async #answer(id: number, ask: Ask): Promise<void> {
    const waiting = new AbortController()
    this.#waiting.set(id, waiting)
    try {
      const { answer, transfers } = await this.#do(ask, waiting.signal)
      const progress = this.#open?.executor.progress() ?? []
      this.#deps.post({ kind: 'answer', id, answer, progress }, transfers)
    } catch (error) {
      this.#deps.post({ kind: 'failure', id, error: encodeError(error) }, [])
    } finally {
      this.#waiting.delete(id)
    }
    if (ask.kind === 'close') this.#deps.onClosed()
  }

  async #do(ask: Ask, signal: AbortSignal): Promise<Answer> {
    switch (ask.kind) {
      case 'open':
        return withoutTransfers((await this.#prepare()).parts)
      case 'seek': {
        const { executor } = await this.#prepare()
        this.#begin(ask.positions, ask.generation)
        await executor.seek(ask.positions)
        return withoutTransfers(null)
      }
      case 'offer': {
        const { source } = await this.#prepare()
        return withoutTransfers(await source.offer(ask.limits, signal))
      }
      case 'compute': {
        const { executor } = await this.#prepare()
        const results = await executor.compute(ask.plan, signal)
        const transfers: Transfers = []
        const tagged = results.map(
          (result): TaggedResult => ({
            generation: this.#generations.get(topicPartitionKey(result.range)) ?? 0,
            result: encodeResult(result, transfers),
          }),
        )
        return { answer: tagged, transfers }
      }
      case 'close':
        await this.#close()
        return withoutTransfers(null)
    }
  }

  async #prepare(): Promise<Workplace> {
    if (this.#open) return this.#open
    this.#workplace ??= this.#deps.prepare({
      atRange: ({ topic, partition }) => this.#deps.post({ kind: 'range', topic, partition }, []),
      atRecord: (offset) => this.#deps.vitals.atRecord(offset),
    })
    const workplace = await this.#workplace
    this.#deps.vitals.ready()
    await workplace.source.open()
    this.#open = workplace
    return workplace
  }

  #begin(partitions: readonly TopicPartition[], generation: number): void {
    for (const tp of partitions) this.#generations.set(topicPartitionKey(tp), generation)
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    for (const waiting of this.#waiting.values()) waiting.abort()
    const workplace = await this.#workplace?.catch(() => null)
    await workplace?.executor.close()
    await workplace?.source.close()
  }
}

function withoutTransfers(answer: Answer['answer']): Answer {
  return { answer, transfers: [] }
}

/** Tells the driver's thread what the worker's source has to say. */
export function forwardEvents(events: JobEventBus, post: WorkerServerDeps['post']): void {
  events.on('retrying', ({ error, ...event }) => {
    post({ kind: 'retrying', event, error: encodeError(error) }, [])
  })
  events.on('recovered', (event) => post({ kind: 'recovered', event }, []))
  events.on('warning', (event) => post({ kind: 'warning', event }, []))
}
