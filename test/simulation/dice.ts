import { SeededRandom } from '../../src/runtime/seeded-random.ts'

/** What a seed decides. */
export class Dice extends SeededRandom {
  /** @param stream several dice of one seed: what one of them is asked does not change what another one says */
  constructor(seed: number, stream = 0) {
    super(Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b))
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return this.integer(0, n - 1)
  }

  /** A number in [from, until). */
  between(from: number, until: number): number {
    return from + this.fraction() * (until - from)
  }

  chance(p: number): boolean {
    return this.fraction() < p
  }

  one<T>(of: readonly [T, ...T[]]): T {
    return of[this.below(of.length)] ?? of[0]
  }

  /** A text that looks like a random UUID. */
  uuid(): string {
    const [a, b, c] = [this.#hex(), this.#hex(), this.#hex()]
    return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(5)}-${c}${a.slice(4)}`
  }

  #hex(): string {
    return (0x1_0000_0000 + Math.floor(this.fraction() * 0x1_0000_0000)).toString(16).slice(1)
  }
}
