import { setTimeout as sleep } from 'node:timers/promises'
import type { Nemesis, Realm } from './nemesis.ts'
import type { Intensity } from './options.ts'
import { paces, type Schedule } from './schedule.ts'
import type { World } from './world.ts'

/** After a fault the job is left alone until it has committed something, for so long at most, in milliseconds. */
const SETTLE_MS = 6_000
const POLL_MS = 20

/**
 * Injects fault after fault until `endMs` of the history's clock, then heals what is still broken. A fault that is under
 * way when the time is over ends in order.
 * @throws what a nemesis throws: a server that does not come back, for example; everything is healed first
 */
export async function storm(
  world: World,
  schedule: Schedule,
  { endMs, intensity }: { readonly endMs: number; readonly intensity: Intensity },
): Promise<void> {
  const { atOnce, pauseMs } = paces[intensity]
  const busy = new Set<Realm>()
  const failed = new AbortController()
  const over = () => world.history.nowMs >= endMs || world.signal.aborted || failed.signal.aborted
  const lane = async () => {
    while (!over()) {
      const nemesis = schedule.next(busy)
      if (nemesis) {
        busy.add(nemesis.realm)
        try {
          await strike(world, nemesis, schedule)
        } catch (error) {
          failed.abort(error)
        } finally {
          busy.delete(nemesis.realm)
        }
        await settle(world, over)
      }
      await sleep(Math.max(nemesis ? 0 : POLL_MS, schedule.pauseMs(pauseMs)))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  failed.signal.throwIfAborted()
}

async function strike(world: World, nemesis: Nemesis, schedule: Schedule): Promise<void> {
  try {
    await nemesis.inject(world, schedule.chance())
  } finally {
    if (nemesis.heal) {
      await nemesis.heal(world)
      world.history.add({ kind: 'healed', nemesis: nemesis.name })
    }
  }
}

/** Something must be at stake again before the next fault. */
async function settle(world: World, over: () => boolean): Promise<void> {
  const { history } = world
  const before = history.commits
  const endMs = history.nowMs + SETTLE_MS
  while (history.commits === before && history.nowMs < endMs && !over()) await sleep(POLL_MS)
}
