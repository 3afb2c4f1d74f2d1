import type { SeededRandom } from '../runtime/seeded-random.ts'
import type { Engine } from '../services/index.ts'
import type { World } from './world.ts'

/** What a nemesis harms. Two that harm the same thing are never at work at the same time. */
export type Realm = 'process' | 'database' | 'network' | 'broker' | 'log'

export interface Nemesis {
  /** As on the command line: `kill`, `commit-lost`. */
  readonly name: string
  /** What it does, for people, as a phrase: `SIGKILL at any moment`. */
  readonly title: string
  readonly realm: Realm
  /** Why it cannot be used in this world; null where it can. */
  unfit?(world: World): string | null
  /**
   * Harms `world` once and returns when it has been harmed for long enough. Whatever it draws comes from `random`. It
   * calls `world.history.fault(...)` at the moment at which harm is really done, and not before: a fault
   * that found nothing to harm does not count.
   */
  inject(world: World, random: SeededRandom): Promise<void>
  /** Ends the harm; called after every {@link inject}, also one that failed or was cut short. Idempotent. */
  heal?(world: World): Promise<void>
}

/** The reason for a nemesis that is made for some engines only. */
export function unfitEngine(world: World, engines: readonly Engine[]): string | null {
  return engines.includes(world.database.engine) ? null : `it is made for ${engines.join(' and ')} only`
}
