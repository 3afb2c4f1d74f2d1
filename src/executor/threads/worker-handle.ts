import { OncesinkError } from '../../errors.ts'
import { type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { PartitionProgress } from '../../source/source.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import { decodeError } from './encode-error.ts'
import type { Answers, Ask, ToDriver, ToWorker } from './messages.ts'
import type { Vitals } from './vitals.ts'

/** A thread that has been started, as its handle needs it. */
export interface WorkerThread {
  readonly vitals: Vitals
  post(message: ToWorker): void
  /** To be called once. Nothing is heard after `onEnd`. */
  listen(listeners: { onMessage(message: ToDriver): void; onEnd(error: OncesinkError): void }): void
  /** Resolves when the thread has ended by itself or `signal` is aborted. */
  ended(signal: AbortSignal): Promise<void>
  /** Ends the thread, whatever it does. */
  terminate(): Promise<void>
}

/** Starts the thread of the worker with this index. */
export type Launch = (index: number) => WorkerThread

interface Pending {
  resolve(answer: never): void
  reject(error: Error): void
}

/** An answer that is waited for. */
export interface Asked<T> {
  readonly answer: Promise<T>
  /** Ends the waiting for records on its behalf; the answer comes as soon as may be. */
  cease(): void
}

/**
 * The driver's side of one worker.
 *
 * States: `running` -> (the thread ends, or is given up) -> `failed`: everything that was asked is answered with the
 * reason, and so is everything that is asked from then on.
 */
export class WorkerHandle {
  /** From 1, for messages. */
  readonly number: number
  readonly vitals: Vitals
  readonly #thread: WorkerThread
  readonly #pending = new Map<number, Pending>()
  readonly #events: JobEventBus
  readonly #onFailure: (error: OncesinkError) => void
  #progress: readonly PartitionProgress[] = []
  #range: TopicPartition | null = null
  #failure: Error | null = null
  #lastId = 0

  /** @param onFailure called at most once, when the thread ends by itself or cannot go on */
  constructor(
    number: number,
    thread: WorkerThread,
    events: JobEventBus,
    onFailure: (error: OncesinkError) => void,
  ) {
    this.number = number
    this.vitals = thread.vitals
    this.#thread = thread
    this.#events = events
    this.#onFailure = onFailure
    thread.listen({
      onMessage: (message) => this.#receive(message),
      onEnd: (error) => {
        const { code, message, cause } = error
        this.#giveUp(new OncesinkError(code, `worker ${number} ${message}`, { cause }))
      },
    })
  }

  /** What it reads, as of its last answer. */
  get progress(): readonly PartitionProgress[] {
    return this.#progress
  }

  /** Where it is, as far as that can be seen from here: the record at hand. */
  get place(): string {
    if (!this.#range) return ''
    return ` at ${topicPartitionKey(this.#range)} offset ${this.vitals.look().offset}`
  }

  ask<K extends Ask['kind']>(ask: Extract<Ask, { kind: K }>): Asked<Answers[K]> {
    this.#lastId += 1
    const id = this.#lastId
    const answer = new Promise<Answers[K]>((resolve, reject) => {
      if (this.#failure) return reject(this.#failure)
      this.#pending.set(id, { resolve, reject })
      this.#thread.post({ kind: 'ask', id, ask })
    })
    return {
      answer,
      cease: () => {
        if (this.#pending.has(id)) this.#thread.post({ kind: 'cease', id })
      },
    }
  }

  drop(partitions: readonly TopicPartition[], generation: number): void {
    this.#thread.post({ kind: 'drop', partitions, generation })
  }

  fail(error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#pending.values()) reject(this.#failure)
    this.#pending.clear()
  }

  /** Ends the thread: it closes its connections first, unless `deadline` is aborted before it has. */
  async close(deadline: AbortSignal): Promise<void> {
    if (!this.#failure) {
      const { answer } = this.ask({ kind: 'close' })
      answer.catch(() => {})
      await this.#thread.ended(deadline)
    }
    this.fail(new Error('the worker is closed'))
    await this.#thread.terminate()
  }

  #receive(message: ToDriver): void {
    switch (message.kind) {
      case 'answer':
        this.#progress = message.progress
        this.#settle(message.id)?.resolve(message.answer as never)
        break
      case 'failure':
        this.#settle(message.id)?.reject(decodeError(message.error))
        break
      case 'refused':
        this.#giveUp(decodeError(message.error) as OncesinkError)
        break
      case 'range':
        this.#range = { topic: message.topic, partition: message.partition }
        break
      case 'retrying':
        this.#events.emit('retrying', { ...message.event, error: decodeError(message.error) })
        break
      case 'recovered':
        this.#events.emit('recovered', message.event)
        break
      case 'warning':
        this.#events.emit('warning', message.event)
        break
    }
  }

  #giveUp(error: OncesinkError): void {
    if (this.#failure) return
    this.fail(error)
    this.#onFailure(error)
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }
}
