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
  readonly session: JobSession
}

/**
 * Runs `attempt` until it succeeds, with back-off between passing errors; the database connection is dropped after
 * each of them.
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
  const { clock, random } = deps.runtime
  const backoff = new Backoff(BACKOFF, random)
  const deadline = clock.monotonicMs() + patienceMs
  const failed = new Set<'source' | 'database'>()
  while (!signal.aborted) {
    try {
      await attempt()
      for (const what of failed) deps.events.emit('recovered', { what })
      return true
    } catch (thrown) {
      const error = asError(thrown)
      if (!isPassing(error) || clock.monotonicMs() >= deadline) throw error
      const what = error.code === 'SOURCE_UNAVAILABLE' ? 'source' : 'database'
      failed.add(what)
      deps.session.drop()
      const delayMs = backoff.nextMs()
      deps.events.emit('retrying', { what, error, attempt: backoff.attempts, delayMs })
      await clock.sleep(delayMs, signal)
    }
  }
  return false
}

export function isPassing(error: Error): error is OncesinkError {
  return error instanceof OncesinkError && (error.disposition === 'retry' || error.disposition === 'recover')
}
