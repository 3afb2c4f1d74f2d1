import { type LinkedAbort, linkedAbort } from '../runtime/linked-abort.ts'
import type { Membership } from '../source/membership.ts'

/**
 * Ends waiting early: when the job is to stop, and as long as the membership has changes that were not taken.
 *
 * States: `calm` -> (something has changed) -> `wanted` -> taken() -> `calm`.
 */
export class Attention {
  readonly #stop: AbortSignal
  readonly #unsubscribe: () => void
  #isWanted = false
  #waiting: LinkedAbort | null = null

  constructor(stop: AbortSignal, membership: Pick<Membership, 'onChange'>) {
    this.#stop = stop
    this.#unsubscribe = membership.onChange(() => {
      this.#isWanted = true
      this.#waiting?.abort()
    })
  }

  /** A signal for the waiting of one round; the previous one is over. */
  begin(): Pick<LinkedAbort, 'signal' | 'abort'> {
    this.#waiting?.unlink()
    this.#waiting = linkedAbort(this.#stop)
    if (this.#isWanted) this.#waiting.abort()
    return this.#waiting
  }

  /** Called before the changes are taken: one that comes later is news again. */
  taken(): void {
    this.#isWanted = false
  }

  close(): void {
    this.#waiting?.unlink()
    this.#unsubscribe()
  }
}
