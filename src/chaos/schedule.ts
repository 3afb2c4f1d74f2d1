import { SeededRandom } from '../runtime/seeded-random.ts'
import type { Nemesis, Realm } from './nemesis.ts'
import type { Intensity } from './options.ts'

/** How many nemeses may be at work at once, and how long one that follows another waits, in milliseconds. */
export const paces: Readonly<
  Record<Intensity, { readonly atOnce: number; readonly pauseMs: readonly [number, number] }>
> = {
  low: { atOnce: 1, pauseMs: [1_500, 4_000] },
  medium: { atOnce: 1, pauseMs: [100, 900] },
  high: { atOnce: 3, pauseMs: [0, 300] },
}

/**
 * Which nemesis comes next: all of them by turns, in an order that the seed decides, so that a run of any length has as
 * many kinds as it can. Never two of one realm at once.
 */
export class Schedule {
  readonly #nemeses: readonly Nemesis[]
  readonly #random: SeededRandom
  #bag: Nemesis[] = []

  constructor(nemeses: readonly Nemesis[], seed: number) {
    this.#nemeses = nemeses
    this.#random = new SeededRandom(seed ^ 0x5bd1e995)
  }

  /** A chance of its own for one injection, so that its draws do not move those of others. */
  chance(): SeededRandom {
    return new SeededRandom(this.#random.integer(0, 2 ** 32 - 1))
  }

  pauseMs([min, max]: readonly [number, number]): number {
    return this.#random.integer(min, max)
  }

  /** @returns null while every nemesis that is left in the bag harms what is being harmed */
  next(busy: ReadonlySet<Realm>): Nemesis | null {
    if (this.#bag.length === 0) this.#bag = this.#shuffled()
    const at = this.#bag.findIndex(({ realm }) => !busy.has(realm))
    if (at < 0) return null
    return this.#bag.splice(at, 1)[0] ?? null
  }

  /** Fisher and Yates, as in Knuth, The Art of Computer Programming, volume 2, algorithm P. */
  #shuffled(): Nemesis[] {
    const bag = [...this.#nemeses]
    for (let i = bag.length - 1; i > 0; i--) {
      const j = this.#random.integer(0, i)
      const [a, b] = [bag[i], bag[j]]
      if (a && b) {
        bag[i] = b
        bag[j] = a
      }
    }
    return bag
  }
}
