import type { Clock } from '../../runtime/clock.ts'
import { OVER } from '../../runtime/over.ts'

/**
 * One coroutine waits here, any number of others wake it. A call that comes while nobody waits is kept for the next
 * wait, so that no wake-up is lost between looking and waiting.
 */
export class Wakeup {
  readonly #clock: Clock
  #pending = false
  #waiting: AbortController | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  wake(): void {
    this.#pending = true
    this.#waiting?.abort(OVER)
  }

  /** Resolves when woken, when `ms` have passed, or when `signal` is aborted. */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    if (!this.#pending && signal?.aborted !== true && ms > 0) {
      const waiting = new AbortController()
      const stop = () => waiting.abort(OVER)
      signal?.addEventListener('abort', stop, { once: true })
      this.#waiting = waiting
      await this.#clock.sleep(Math.min(ms, longestSleepMs), waiting.signal)
      this.#waiting = null
      signal?.removeEventListener('abort', stop)
    }
    this.#pending = false
  }
}

/** Timers overflow past 2^31 ms. */
const longestSleepMs = 2 ** 31 - 1
