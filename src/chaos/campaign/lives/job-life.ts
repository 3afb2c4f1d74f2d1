import { setTimeout as sleep } from 'node:timers/promises'
import { LifeProcess } from '../../life/life-process.ts'
import type { ControlPlan, LifeFault, LifeLine, LifePlan } from './life-plan.ts'

const POLL_MS = 5

/** One life of a campaign's job, or of a program that does it in a wrong way. */
export class JobLife extends LifeProcess<LifeLine, LifeFault | null> {
  /** Batches that it has said to have committed. */
  commits = 0
  /** What it owns, as it has said: next offset at the claim, by partition. */
  readonly owned = new Map<number, number>()
  claims = 0
  /** Where it has sent itself a signal. */
  faultAt: string | null = null
  /** Called whenever it has said something, and when it has ended. */
  readonly #listeners = new Set<() => void>()

  /** @param command of a program that speaks as job-program.ts does */
  constructor([program, ...args]: readonly [string, ...string[]], plan: LifePlan | ControlPlan) {
    super({ command: [program, ...args, JSON.stringify(plan)], says: 'stdout' })
    void this.ended.then(() => this.#notify())
  }

  /** @returns whether `condition`, which is about what it says, came true before the life ended or `boundMs` was over */
  async until(condition: () => boolean, boundMs: number): Promise<boolean> {
    if (condition() || this.end) return condition()
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer)
        this.#listeners.delete(look)
        resolve(condition())
      }
      const look = () => {
        if (condition() || this.end) settle()
      }
      const timer = setTimeout(settle, boundMs)
      this.#listeners.add(look)
    })
  }

  /** @returns whether the kernel has stopped it before it ended or `boundMs` was over */
  async stands(boundMs: number): Promise<boolean> {
    const until = performance.now() + boundMs
    while (!this.isStopped) {
      if (this.end || performance.now() > until) return false
      await sleep(POLL_MS)
    }
    return true
  }

  /** Another fault, in place of the one that it was given before; null for none. */
  arm(fault: LifeFault | null): void {
    this.faultAt = null
    this.command(fault)
  }

  protected override heard(line: LifeLine): void {
    switch (line.event) {
      case 'claimed':
        this.claims += 1
        for (const [partition, nextOffset] of line.nextOffsets) this.owned.set(partition, nextOffset)
        break
      case 'lost':
        for (const partition of line.partitions) this.owned.delete(partition)
        break
      case 'batch':
        this.commits += 1
        break
      case 'fault':
        this.faultAt = line.point
        break
    }
    this.#notify()
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }
}
