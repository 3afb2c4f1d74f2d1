import type { Clock } from '../../src/runtime/clock.ts'
import type { FaultPoints } from '../../src/runtime/fault-points.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { SeededRandom } from '../../src/runtime/seeded-random.ts'

/** What a seed decides. */
export class Dice extends SeededRandom {
  /** A whole number in [0, n). */
  below(n: number): number {
    return this.integer(0, n - 1)
  }

  chance(p: number): boolean {
    return this.fraction() < p
  }

  uuid(): string {
    const hex = Array.from({ length: 32 }, () => this.below(16).toString(16)).join('')
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  }
}

/**
 * Simulated time. Nothing happens but what was scheduled; when nothing can run, time jumps to the next event.
 * With one seed everything happens in the same order every time.
 */
export class World {
  readonly dice: Dice
  readonly history: string[] = []
  /** While false, processes crash and stop at fault points. */
  calm = false
  #now = 0
  #order = 0
  #events: { at: number; order: number; run: () => void }[] = []

  constructor(seed: number) {
    this.dice = new Dice(seed)
  }

  get now(): number {
    return this.#now
  }

  note(text: string): void {
    this.history.push(`${this.#now.toFixed(1).padStart(9)} ${text}`)
  }

  schedule(afterMs: number, run: () => void): void {
    this.#events.push({ at: this.#now + Math.max(0, afterMs), order: this.#order++, run })
  }

  /** Lets simulated time pass until `done` or until `limitMs` of it have passed. Returns whether it got done. */
  async run(done: () => boolean, limitMs: number): Promise<boolean> {
    for (;;) {
      await settle()
      if (done()) return true
      const next = this.#takeNext()
      if (!next || next.at > limitMs) return false
      this.#now = next.at
      next.run()
    }
  }

  #takeNext() {
    let best = 0
    for (let i = 1; i < this.#events.length; i += 1) {
      const [a, b] = [this.#events[i], this.#events[best]]
      if (a && b && (a.at < b.at || (a.at === b.at && a.order < b.order))) best = i
    }
    const [event] = this.#events.splice(best, 1)
    return event
  }
}

/** All microtasks have run once an immediate has. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/**
 * One simulated process. When it crashes, nothing that it waits for ever comes; when it is stopped (SIGSTOP),
 * everything comes late.
 */
export class Host {
  readonly name: string
  readonly world: World
  #crashed = false
  #stoppedUntil = 0
  readonly #onCrash: (() => void)[] = []

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
  }

  get crashed(): boolean {
    return this.#crashed
  }

  crash(): void {
    if (this.#crashed) return
    this.#crashed = true
    this.world.note(`${this.name} crashes`)
    for (const listener of this.#onCrash) listener()
  }

  onCrash(listener: () => void): void {
    this.#onCrash.push(listener)
  }

  pause(ms: number): void {
    this.world.note(`${this.name} is stopped for ${ms.toFixed(0)} ms`)
    this.#stoppedUntil = Math.max(this.#stoppedUntil, this.world.now + ms)
  }

  /** Waits `ms` as this process sees it. */
  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let fired = false
      const fire = () => {
        if (fired || this.#crashed) return
        const late = this.#stoppedUntil - this.world.now
        if (late > 0) return this.world.schedule(late, fire)
        fired = true
        signal?.removeEventListener('abort', fire)
        resolve()
      }
      this.world.schedule(ms, fire)
      if (signal?.aborted) fire()
      else signal?.addEventListener('abort', fire, { once: true })
    })
  }

  runtime(): Runtime {
    const { world } = this
    const clock: Clock = {
      wallMs: () => world.now,
      monotonicMs: () => world.now,
      sleep: (ms, signal) => this.wait(ms, signal),
      yield: () => this.wait(0),
    }
    const random: Random = { uuid: () => world.dice.uuid(), fraction: () => world.dice.fraction() }
    const faultPoints: FaultPoints = {
      reach: async (point) => {
        if (world.calm) return
        if (world.dice.chance(0.004)) {
          world.note(`${this.name} at ${point}`)
          this.crash()
          return new Promise(() => {})
        }
        if (world.dice.chance(0.004)) this.pause(world.dice.fraction() * 3_000)
        return this.wait(0)
      },
    }
    return { clock, random, faultPoints }
  }
}
