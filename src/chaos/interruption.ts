import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { endNativeServers } from '../services/index.ts'

/** What shells expect of a program that was ended by SIGINT. */
export const INTERRUPTED = 130
/** What takes longer than this ends by itself when this process is gone. */
const AT_ONCE_MS = 3_000

export interface InterruptionOptions {
  /** Called at the first signal, before {@link Interruption.signal} is aborted. */
  readonly onAsked: () => void
  /** What else has to end at the second one, besides the servers and processes of this program. */
  readonly endAtOnce?: () => Promise<unknown>
}

/**
 * SIGINT and SIGTERM of a program that has processes and servers. The first one asks it to end in order; the second one
 * ends it at once, and with it all that it has started, with exit code {@link INTERRUPTED}.
 */
export class Interruption {
  readonly #options: InterruptionOptions
  readonly #asked = new AbortController()
  #isAtOnce = false
  readonly #onSignal = () => {
    if (this.#isAtOnce) process.exit(INTERRUPTED)
    if (this.#asked.signal.aborted) return void this.#endAtOnce()
    this.#options.onAsked()
    this.#asked.abort(new Error('interrupted'))
  }

  constructor(options: InterruptionOptions) {
    this.#options = options
    process.on('SIGINT', this.#onSignal)
    process.on('SIGTERM', this.#onSignal)
  }

  /** Aborted by the first one. */
  get signal(): AbortSignal {
    return this.#asked.signal
  }

  /** Whether the second one has come: nothing more is to be said. */
  get isAtOnce(): boolean {
    return this.#isAtOnce
  }

  /** What `work` comes to; nothing when the program ends at once, for it fails then with all that is taken from it. */
  async unlessAtOnce<T>(work: Promise<T>): Promise<T> {
    const [settled] = await Promise.allSettled([work])
    if (this.#isAtOnce) await new Promise(() => {})
    if (settled.status === 'rejected') throw settled.reason
    return settled.value
  }

  async #endAtOnce(): Promise<never> {
    this.#isAtOnce = true
    const { endAtOnce } = this.#options
    await Promise.race([Promise.allSettled([endNativeServers(), endAtOnce?.()]), sleep(AT_ONCE_MS)])
    process.exit(INTERRUPTED)
  }

  /** From now on signals do what they do by default. */
  close(): void {
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
  }
}
