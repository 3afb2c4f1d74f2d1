import type { Runtime } from '../runtime/runtime.ts'
import type { Strategy } from '../strategy/strategy.ts'
import type { BatchEnd } from './batch-in-flight.ts'
import type { FailedBatch } from './failed-batch.ts'
import type { Ownership } from './ownership.ts'

/*
 * What the loop does about a strategy whose commits reach the database later (see DeferredCommits). Of one whose
 * commits are in the database when they are reported, everything here says at once that there is nothing to do.
 */

interface WithStrategy {
  readonly strategy: Strategy
}

/** Whether one more batch can be taken now; waits for it until `signal` is aborted. */
export function isReady({ strategy }: WithStrategy, signal: AbortSignal): Promise<boolean> {
  return strategy.deferred?.ready(signal) ?? Promise.resolve(true)
}

/** An earlier batch that has failed since, for it is the cause of what comes after; or else the one that has just ended so. */
export function failureOf(
  { strategy, ownership }: WithStrategy & { readonly ownership: Ownership },
  ended: BatchEnd | null,
): FailedBatch | null {
  const late = strategy.deferred?.takeFailure() ?? null
  // What has failed late has no unknown outcome that could turn out to be a commit.
  if (late) return { ...late, claims: ownership.claims(), announce: () => {} }
  return ended && ended.failures.length > 0 ? ended : null
}

/**
 * Waits until the database has everything that was reported as committed.
 * @returns false when something of it has failed, or `signal` was aborted before
 */
export function hasSettled({ strategy }: WithStrategy, signal: AbortSignal): Promise<boolean> {
  return strategy.deferred?.settle(signal) ?? Promise.resolve(true)
}

/** The same, for so many milliseconds at most. */
export async function settleWithin(
  deps: WithStrategy & { readonly runtime: Runtime },
  patienceMs: number,
): Promise<void> {
  if (!deps.strategy.deferred) return
  const patience = new AbortController()
  const deadline = deps.runtime.clock.sleep(patienceMs, patience.signal).then(() => patience.abort())
  await hasSettled(deps, patience.signal)
  patience.abort()
  await deadline
}
