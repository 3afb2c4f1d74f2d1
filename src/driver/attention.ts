import { type LinkedAbort, linkedAbort } from '../runtime/linked-abort.ts'
import type { Membership } from '../source/membership.ts'

/**
 * Ends waiting early: when the job is to stop, when nothing can be computed any more, and as long as the membership has
 * changes that were not taken.
 *
 * States: `calm` -> (something has changed) -> `wanted` -> taken() -> `calm`.
 */
export class Attention {
  readonly #end: AbortSignal
  readonly #unsubscribe: () => void
  #isWanted = false
  #waiting: LinkedAbort | null = null

  /** @param end aborted when there is nothing to wait for any more */
  constructor(end: AbortSignal, membership: Pick<Membership, 'onChange'>) {
    this.#end = end
    this.#unsubscribe = membership.onChange(() => {
      this.#isWanted = true
      this.#waiting?.abort()
    })
  }

  /** A signal for the waiting of one round; the previous one is over. */
  begin(): Pick<LinkedAbort, 'signal' | 'abort'> {
    this.#waiting?.unlink()
    this.#waiting = linkedAbort(this.#end)
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
