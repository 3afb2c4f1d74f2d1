import { invariant, OncesinkError } from '../errors.ts'
import type { CommitResult } from './dialect.ts'

/** How an engine ends a transaction. */
export interface TransactionEnd {
  commit(): Promise<CommitResult>
  /** Rolls back, or cuts the connection. Never throws. */
  rollback(): Promise<void>
  /** Cuts the connection at once. */
  destroy(): void
  /** Called once, when the connection is free again. */
  onEnd(): void
}

/**
 * The states of one transaction, the same on every engine.
 *
 * States: `open` -> (an operation fails) -> `failed` -> rollback() -> `ended`;
 *         `open` -> commit() | rollback() -> `ended`.
 * Only `open` accepts operations, one at a time: an operation that failed may have left part of itself behind, or (a
 * deadlock on MySQL) ended the transaction.
 */
export class OperationGate {
  readonly #end: TransactionEnd
  #state: 'open' | 'failed' | 'ended' = 'open'
  #busy = false

  constructor(end: TransactionEnd) {
    this.#end = end
  }

  async run<T>(operation: () => Promise<T>): Promise<T> {
    invariant(this.#state === 'open', `an operation was started in a transaction that is ${this.#state}`)
    invariant(!this.#busy, 'two operations were started at once in one transaction')
    this.#busy = true
    try {
      return await operation()
    } catch (error) {
      if (this.#state === 'open') this.#state = 'failed'
      throw error
    } finally {
      this.#busy = false
    }
  }

  /** The items of pages, each page an operation; who leaves early leaves the pages, too. */
  async *runPages<T>(pages: AsyncGenerator<T[], void>): AsyncGenerator<T, void> {
    try {
      for (;;) {
        const page = await this.run(() => pages.next())
        if (page.done) return
        yield* page.value
      }
    } finally {
      await pages.return()
    }
  }

  async commit(): Promise<CommitResult> {
    if (this.#state !== 'open' || this.#busy) {
      const was = this.#busy ? 'busy' : this.#state
      await this.rollback()
      return {
        kind: 'aborted',
        error: new OncesinkError('INVARIANT_VIOLATED', `COMMIT was not sent: the transaction was ${was}`),
      }
    }
    this.#state = 'ended'
    try {
      return await this.#end.commit()
    } finally {
      this.#end.onEnd()
    }
  }

  async rollback(): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    // Whatever is still running would be waited for; a caller who rolls back meanwhile wants out.
    if (this.#busy) this.#end.destroy()
    try {
      await this.#end.rollback()
    } finally {
      this.#end.onEnd()
    }
  }
}
