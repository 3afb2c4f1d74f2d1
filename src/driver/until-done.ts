import type { JobSession } from '../database/protocol/session.ts'
import { asError, OncesinkError } from '../errors.ts'
import { Backoff } from '../runtime/backoff.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { JobEventBus } from '../telemetry/events.ts'

/** Back-off while broker or database are away. */
const BACKOFF = { initialMs: 50, maxMs: 5_000 }

export interface UntilDoneDeps {
  readonly runtime: Runtime
  readonly events: JobEventBus
  readonly session: Pick<JobSession, 'drop'>
}

/**
 * Attempts at one thing, with back-off between those that fail for a passing reason; the database connection is dropped
 * after each of them.
 */
export class Attempts {
  readonly #deps: UntilDoneDeps
  readonly #backoff: Backoff
  readonly #failed = new Set<'source' | 'database'>()
  #dueAtMs = Number.NEGATIVE_INFINITY

  constructor(deps: UntilDoneDeps) {
    this.#deps = deps
    this.#backoff = new Backoff(BACKOFF, deps.runtime.random)
  }

  /** How long until the next attempt is due, in milliseconds; 0 when it is. */
  get dueInMs(): number {
    return Math.max(0, this.#dueAtMs - this.#deps.runtime.clock.monotonicMs())
  }

  /**
   * @param isLast whether to throw a passing error too
   * @returns whether it has succeeded
   * @throws whatever trying again cannot mend
   */
  async run(attempt: () => Promise<void>, isLast: () => boolean = () => false): Promise<boolean> {
    const { events, session, runtime } = this.#deps
    try {
      await attempt()
    } catch (thrown) {
      const error = asError(thrown)
      if (!isPassing(error) || isLast()) throw error
      const what = error.code === 'SOURCE_UNAVAILABLE' ? 'source' : 'database'
      this.#failed.add(what)
      session.drop()
      const delayMs = this.#backoff.nextMs()
      this.#dueAtMs = runtime.clock.monotonicMs() + delayMs
      events.emit('retrying', { what, error, attempt: this.#backoff.attempts, delayMs })
      return false
    }
    for (const what of this.#failed) events.emit('recovered', { what })
    this.#failed.clear()
    this.#backoff.reset()
    this.#dueAtMs = Number.NEGATIVE_INFINITY
    return true
  }
}

/**
 * Runs `attempt` until it succeeds.
 * @param patienceMs no new attempt is made after this many milliseconds
 * @returns false when `signal` was aborted before it succeeded
 * @throws whatever trying again cannot mend; the last passing error once the patience is over
 */
export async function untilDone(
  deps: UntilDoneDeps,
  signal: AbortSignal,
  patienceMs: number,
  attempt: () => Promise<void>,
): Promise<boolean> {
  const { clock } = deps.runtime
  const attempts = new Attempts(deps)
  const deadline = clock.monotonicMs() + patienceMs
  while (!signal.aborted) {
    if (await attempts.run(attempt, () => clock.monotonicMs() >= deadline)) return true
    await clock.sleep(attempts.dueInMs, signal)
  }
  return false
}

export function isPassing(error: Error): error is OncesinkError {
  return error instanceof OncesinkError && (error.disposition === 'retry' || error.disposition === 'recover')
}
