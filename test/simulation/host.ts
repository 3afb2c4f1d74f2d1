import type { FaultPoints } from '../../src/runtime/fault-points.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { Dice } from './dice.ts'
import type { World } from './world.ts'

/** What a wall clock shows when a simulation begins, in milliseconds since 1970. */
export const WALL_MS = 1_700_000_000_000

/**
 * One simulated process. When it crashes, nothing that it waits for ever comes; when it is stopped (SIGSTOP),
 * everything comes late.
 */
export class Host {
  readonly name: string
  readonly world: World
  readonly dice: Dice
  #crashed = false
  #stoppedUntil = 0
  #wallOffsetMs = 0
  /** Until then nothing gets from it to anybody, or back. */
  cutOffUntil = 0
  readonly #onCrash: (() => void)[] = []
  /** Timers that were due while it was stopped. */
  readonly #overdue = new Set<() => void>()

  constructor(world: World, name: string, seed: number, number: number) {
    this.world = world
    this.name = name
    this.dice = new Dice(seed, 100 + number)
  }

  get crashed(): boolean {
    return this.#crashed
  }

  crash(): void {
    if (this.#crashed) return
    this.#crashed = true
    this.note(() => 'is killed')
    for (const listener of this.#onCrash) listener()
  }

  onCrash(listener: () => void): void {
    this.#onCrash.push(listener)
  }

  /** @param ms milliseconds from now */
  stop(ms: number): void {
    if (this.#crashed) return
    this.note(() => `is stopped (SIGSTOP) for ${ms.toFixed(0)} ms`)
    this.#stoppedUntil = Math.max(this.#stoppedUntil, this.world.now + ms)
  }

  /** SIGCONT. */
  wake(): void {
    this.#stoppedUntil = 0
    for (const fire of this.#overdue) this.world.schedule(0, fire)
  }

  /** Somebody has set its wall clock. */
  jump(ms: number): void {
    this.#wallOffsetMs += ms
  }

  get isCutOff(): boolean {
    return this.world.now < this.cutOffUntil
  }

  note(what: () => string): void {
    this.world.note(this.name, what)
  }

  /** Waits `ms` as this process sees it; for ever once it has crashed. */
  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let fired = false
      const fire = () => {
        if (fired || this.#crashed) return
        const late = this.#stoppedUntil - this.world.now
        if (late > 0) {
          this.#overdue.add(fire)
          this.world.schedule(late, fire)
          return
        }
        fired = true
        this.#overdue.delete(fire)
        timer.run = null
        signal?.removeEventListener('abort', fire)
        resolve()
      }
      const timer = this.world.schedule(ms, fire)
      if (signal?.aborted) fire()
      else signal?.addEventListener('abort', fire, { once: true })
    })
  }

  runtime(faultPoints: FaultPoints): Runtime {
    const { world, dice } = this
    return {
      clock: {
        wallMs: () => Math.max(0, WALL_MS + world.now + this.#wallOffsetMs),
        monotonicMs: () => world.now,
        sleep: (ms, signal) => (signal?.aborted ? Promise.resolve() : this.wait(ms, signal)),
        yield: () => this.wait(0),
      },
      random: { uuid: () => dice.uuid(), fraction: () => dice.fraction() },
      faultPoints,
    }
  }
}

/** What a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => {})
}
