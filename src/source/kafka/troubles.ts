import { Backoff } from '../../runtime/backoff.ts'
import type { Random } from '../../runtime/random.ts'
import type { JobEventBus } from '../../telemetry/events.ts'

/**
 * What is wrong with brokers and partitions right now, and when to look again.
 *
 * States: sound -> report() -> troubled -> (nextDelayMs(), retry) ... -> recovered() of everything reported ->
 * sound, which starts the back-off anew and is announced.
 */
export class Troubles {
  readonly #events: JobEventBus
  readonly #backoff: Backoff
  readonly #reasons = new Map<string, Error>()
  #unhandled = false

  constructor(events: JobEventBus, random: Random) {
    this.#events = events
    this.#backoff = new Backoff({ initialMs: 50, maxMs: 2000 }, random)
  }

  /** Whether something was reported since the last {@link nextDelayMs}. */
  get unhandled(): boolean {
    return this.#unhandled
  }

  /** @param subject the node, partition or question that is in trouble */
  report(subject: string, reason: Error): void {
    this.#reasons.delete(subject)
    this.#reasons.set(subject, reason)
    this.#unhandled = true
  }

  recovered(subject: string): void {
    if (!this.#reasons.delete(subject) || this.#reasons.size > 0) return
    this.#unhandled = false
    // Never announced, so its end is not either.
    if (this.#backoff.attempts === 0) return
    this.#backoff.reset()
    this.#events.emit('recovered', { what: 'source' })
  }

  /** How long to wait before everything reported is tried again; announces it. */
  nextDelayMs(): number {
    this.#unhandled = false
    const delayMs = this.#backoff.nextMs()
    const error = [...this.#reasons.values()].at(-1) ?? new Error('unknown trouble')
    this.#events.emit('retrying', { what: 'source', error, attempt: this.#backoff.attempts, delayMs })
    return delayMs
  }
}
