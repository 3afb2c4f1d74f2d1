import type { Clock } from '../../runtime/clock.ts'
import type { Vital, Vitals } from './vitals.ts'

/** How often a worker's event loop says that it turns, in milliseconds. */
export const BEAT_MS = 250

/** Looks per timeout: what is over is noticed within a tenth of the timeout. */
const LOOKS = 10

/**
 * Watches workers for signs of life.
 *
 * Only time counts in which this thread was awake itself: after the whole process was stopped (SIGSTOP, a laptop's lid,
 * a paused machine) the workers have had no more time than it has.
 */
export class Watchdog {
  readonly #timeoutMs: number
  readonly #startingMs: number
  readonly #lookEveryMs: number
  readonly #watched: { readonly vitals: Vitals; last: Vital; silentMs: number }[]
  #lookedAt: number | null = null

  /** @param startingMs bound for a worker that has not loaded the job yet, where that is longer */
  constructor(timeoutMs: number, startingMs: number, vitals: readonly Vitals[]) {
    this.#timeoutMs = timeoutMs
    this.#startingMs = Math.max(timeoutMs, startingMs)
    this.#lookEveryMs = timeoutMs / LOOKS
    this.#watched = vitals.map((of) => ({ vitals: of, last: of.look(), silentMs: 0 }))
  }

  /** Resolves with the index of a worker that gives no sign of life, or with null once `signal` is aborted. */
  async watch(clock: Clock, signal: AbortSignal): Promise<number | null> {
    while (!signal.aborted) {
      const silent = this.look(clock.monotonicMs())
      if (silent !== null) return silent
      await clock.sleep(this.#lookEveryMs, signal)
    }
    return null
  }

  /**
   * @param nowMs monotonic time in milliseconds
   * @returns the index of a worker that has been silent for too long, or null
   */
  look(nowMs: number): number | null {
    const passedMs = Math.min(nowMs - (this.#lookedAt ?? nowMs), 2 * this.#lookEveryMs)
    this.#lookedAt = nowMs
    for (const [index, watched] of this.#watched.entries()) {
      const now = watched.vitals.look()
      const { last } = watched
      const isAlive = now.beats !== last.beats || now.offset !== last.offset
      watched.last = now
      watched.silentMs = isAlive ? 0 : watched.silentMs + passedMs
      if (watched.silentMs >= (now.isReady ? this.#timeoutMs : this.#startingMs)) return index
    }
    return null
  }
}
