import { type LinkedAbort, linkedAbort } from '../runtime/linked-abort.ts'
import type { Membership } from '../source/membership.ts'
import type { DeferredCommits } from '../strategy/strategy.ts'

/**
 * Ends waiting early: when the job is to stop, when nothing can be computed any more, and as long as there is news that
 * was not taken: changes of the membership, of what is done beside the loop, a commit that has failed after it was
 * reported.
 *
 * States: `calm` -> (something has changed) -> `wanted` -> taken() -> `calm`.
 */
export class Attention {
  readonly #end: AbortSignal
  readonly #unsubscribe: readonly (() => void)[]
  #isWanted = false
  #waiting: LinkedAbort | null = null

  /** @param end aborted when there is nothing to wait for any more */
  constructor(
    end: AbortSignal,
    membership: Pick<Membership, 'onChange'>,
    commits?: Pick<DeferredCommits, 'onFailure'>,
  ) {
    this.#end = end
    const want = () => this.want()
    this.#unsubscribe = [membership.onChange(want), ...(commits ? [commits.onFailure(want)] : [])]
  }

  /** Whether something has changed that was not taken. */
  get isWanted(): boolean {
    return this.#isWanted
  }

  /** Something has changed that the loop is to look at. */
  want(): void {
    this.#isWanted = true
    this.#waiting?.abort()
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
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
  }
}
