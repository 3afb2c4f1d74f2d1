import type { Random } from './random.ts'

export interface BackoffOptions {
  /** First delay, in milliseconds. */
  readonly initialMs: number
  /** Upper bound of every delay, in milliseconds. */
  readonly maxMs: number
}

/** Exponential back-off with full jitter in [half, whole] of a doubling delay. */
export class Backoff {
  #attempt = 0
  readonly #options: BackoffOptions
  readonly #random: Random

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options
    this.#random = random
  }

  /** Consecutive failures since the last {@link reset}. */
  get attempts(): number {
    return this.#attempt
  }

  /** The next delay in milliseconds. */
  nextMs(): number {
    const ceiling = Math.min(this.#options.maxMs, this.#options.initialMs * 2 ** Math.min(this.#attempt, 30))
    this.#attempt += 1
    return ceiling * (0.5 + this.#random.fraction() / 2)
  }

  reset(): void {
    this.#attempt = 0
  }
}
