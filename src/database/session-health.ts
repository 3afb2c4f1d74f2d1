import type { Clock } from '../runtime/clock.ts'
import { OVER } from '../runtime/over.ts'

/**
 * Whether a session can be used.
 *
 * States: `usable` -> breakWith() -> `broken`, for good. The first reason is kept.
 */
export class SessionHealth {
  #broken: Error | null = null
  readonly #lossListeners = new Set<(reason: Error) => void>()

  /** Why it is broken; null while it is usable. */
  get broken(): Error | null {
    return this.#broken
  }

  /** How many wait for the session's loss. */
  get lossListeners(): number {
    return this.#lossListeners.size
  }

  /**
   * Calls `listener` with the reason when the session breaks, once; at once if it is broken already.
   * Returns what takes the listener away: a session outlives whoever waits for its loss.
   */
  onLoss(listener: (reason: Error) => void): () => void {
    if (this.#broken) listener(this.#broken)
    else this.#lossListeners.add(listener)
    return () => this.#lossListeners.delete(listener)
  }

  breakWith(reason: Error): void {
    if (this.#broken) return
    this.#broken = reason
    const listeners = [...this.#lossListeners]
    this.#lossListeners.clear()
    for (const listener of listeners) listener(reason)
  }
}

/** `answer`; should it take longer than `limitMs` milliseconds, `atLimit` is called, and `answer` waited for all the same. */
export async function within<T>(
  clock: Clock,
  answer: Promise<T>,
  limitMs: number,
  atLimit: () => void,
): Promise<T> {
  const answered = new AbortController()
  const timer = clock.sleep(limitMs, answered.signal).then(() => {
    if (!answered.signal.aborted) atLimit()
  })
  try {
    return await answer
  } finally {
    answered.abort(OVER)
    await timer
  }
}
