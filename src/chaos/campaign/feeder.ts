import { setTimeout as sleep } from 'node:timers/promises'
import type { Arena } from './arena.ts'

const POLL_MS = 100

/** Keeps a topic ahead of its job, until it is stopped. */
export class Feeder {
  readonly #arena: Arena
  readonly #feeding: Promise<void>
  #ended = false

  /** @param backlog records that are there, and not committed, as a rule */
  constructor(arena: Arena, backlog: number) {
    this.#arena = arena
    this.#feeding = this.#feed(backlog)
    // stop() tells.
    this.#feeding.catch(() => {})
  }

  async #feed(backlog: number): Promise<void> {
    while (!this.#ended) {
      if (this.#arena.produced - (await this.#arena.committed()) < backlog) await this.#arena.produce(backlog)
      else await sleep(POLL_MS)
    }
  }

  /** @throws what has kept it from producing */
  stop(): Promise<void> {
    this.#ended = true
    return this.#feeding
  }
}
