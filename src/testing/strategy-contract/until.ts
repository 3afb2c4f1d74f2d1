import { systemClock } from '../../runtime/clock.ts'

const POLL_MS = 15

/** How long a scenario waits for anything. On a machine that does much else it must not be taken for a failure. */
export const PATIENCE_MS = 120_000

/**
 * Asks until it is told something else than undefined or false.
 * @param what continues "waited in vain for"
 */
export async function until<T>(what: string, ask: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = systemClock.monotonicMs() + PATIENCE_MS
  for (;;) {
    const answer = await ask()
    if (answer) return answer as NonNullable<T>
    if (systemClock.monotonicMs() >= deadline)
      throw new Error(`waited ${PATIENCE_MS / 1_000} s in vain for ${what}`)
    await systemClock.sleep(POLL_MS)
  }
}
