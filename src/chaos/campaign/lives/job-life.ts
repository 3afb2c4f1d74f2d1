import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ControlPlan, LifeFault, LifeLine, LifePlan } from './life-plan.ts'

const POLL_MS = 5
const LAST_LINES = 20

export interface LifeEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The last that it has written to standard error. */
  readonly lastWords: string
}

/**
 * One life of a job, in a process of its own, which ends with this one.
 *
 * States: `running` <-> (SIGSTOP, SIGCONT) -> it is killed, is stopped in order, or ends by itself -> `ended`.
 */
export class JobLife {
  /** Batches that it has said to have committed. */
  commits = 0
  /** What it owns, as it has said: next offset at the claim, by partition. */
  readonly owned = new Map<number, number>()
  claims = 0
  /** Where it has sent itself a signal. */
  faultAt: string | null = null
  batchesFailed = 0
  /** Set once it has ended. */
  end: LifeEnd | null = null
  readonly ended: Promise<LifeEnd>
  readonly #child: ChildProcess
  readonly #lastLines: string[] = []
  /** Called whenever it has said something, and when it has ended. */
  readonly #listeners = new Set<() => void>()

  /** @param command of a program that speaks as job-program.ts does */
  constructor([command, ...args]: readonly [string, ...string[]], plan: LifePlan | ControlPlan) {
    this.#child = spawn(command, [...args, JSON.stringify(plan)], {
      // Ctrl-C in the terminal is for this process, which ends it.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#child.stdin?.on('error', () => {})
    const { stdout, stderr } = this.#child
    if (stdout) createInterface({ input: stdout }).on('line', (line) => this.#hear(line))
    if (stderr) {
      createInterface({ input: stderr }).on('line', (line) => {
        this.#lastLines.push(line)
        if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift()
      })
    }
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      this.end = { code, signal, lastWords: this.lastWords }
      for (const listener of this.#listeners) listener()
      return this.end
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** The last that it has written to standard error. */
  get lastWords(): string {
    return this.#lastLines.join('\n')
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

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Another fault, in place of the one that it was given before; null for none. */
  arm(fault: LifeFault | null): void {
    this.faultAt = null
    this.#child.stdin?.write(`${JSON.stringify(fault)}\n`)
  }

  /** Resolves when the process is gone. */
  kill(): Promise<LifeEnd> {
    this.#child.kill('SIGKILL')
    return this.ended
  }

  /** SIGTERM, and SIGKILL where that is not heard in time. */
  async stop(boundMs: number): Promise<LifeEnd> {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), boundMs)
    try {
      return await this.ended
    } finally {
      clearTimeout(timer)
    }
  }

  /** Whether the kernel says that the process is stopped. */
  get isStopped(): boolean {
    try {
      // `pid (name) S ...`, where the name may contain anything.
      return /\) T [^)]*$/.test(readFileSync(`/proc/${this.pid}/stat`, 'utf8'))
    } catch {
      return false
    }
  }

  #hear(text: string): void {
    let line: LifeLine
    try {
      line = JSON.parse(text) as LifeLine
    } catch {
      return // cut off by SIGKILL
    }
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
      case 'batchFailed':
        this.batchesFailed += 1
        break
      case 'fault':
        this.faultAt = line.point
        break
    }
    for (const listener of this.#listeners) listener()
  }
}
