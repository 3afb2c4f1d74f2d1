import { setTimeout as sleep } from 'node:timers/promises'
import type { World } from '../world.ts'

const POLL_MS = 15

/** Lets time pass, until the run is to end. */
export async function pause(world: World, ms: number): Promise<void> {
  await sleep(ms, undefined, { signal: world.signal }).catch(() => {})
}

/** Resolves with true as soon as `condition` holds, and with false after `boundMs` or when the run is to end. */
export async function until(
  world: World,
  condition: () => boolean | Promise<boolean>,
  boundMs: number,
): Promise<boolean> {
  const endMs = world.history.nowMs + boundMs
  for (;;) {
    if (await condition()) return true
    if (world.history.nowMs >= endMs || world.signal.aborted) return false
    await pause(world, POLL_MS)
  }
}
