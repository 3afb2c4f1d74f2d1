import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { OncesinkError } from '../errors.ts'
import type { CommitWatch } from './commit-watch.ts'
import { JobProcess } from './job-process.ts'
import type { KillMoment } from './kill-schedule.ts'

const POLL_MS = 2
/** A life must have committed something after this long. */
const FIRST_COMMIT_BOUND_MS = 30_000
/** A life that has committed something, and then waits for records, is not left alive any longer. */
const MAX_WORKING_MS = 800

export interface LivesOptions {
  readonly env: Readonly<Record<string, string>>
  readonly watch: CommitWatch
  /** Aborting it ends the life that is on, and rejects with the signal's reason. */
  readonly signal: AbortSignal
  /** Called again and again while waiting. */
  readonly onTick: () => void
}

/** The lives of the job, one after another: never two at once. */
export class Lives {
  readonly #options: LivesOptions
  #kills = 0
  #killsWhileStarting = 0

  constructor(options: LivesOptions) {
    this.#options = options
  }

  /** Kills of a life that had committed at least one batch. */
  get kills(): number {
    return this.#kills
  }

  get killsWhileStarting(): number {
    return this.#killsWhileStarting
  }

  /** Lets the job live until `moment`, then kills it. */
  async liveAndKill(moment: KillMoment): Promise<void> {
    const { watch } = this.#options
    const job = this.#begin()
    try {
      await job.whileAlive(this.#until(moment))
    } finally {
      watch.killed(await job.kill())
    }
    // Also a life that was to be killed while starting counts if it was faster than that.
    if (watch.commitsOfLife > 0) this.#kills += 1
    else this.#killsWhileStarting += 1
  }

  /**
   * Lets the job live until `done`, then stops it in order.
   * @returns whether `done` came true within `boundMs`
   */
  async liveUntil(done: () => boolean, boundMs: number): Promise<boolean> {
    const job = this.#begin()
    let reached = false
    try {
      reached = await job.whileAlive(this.#wait(done, boundMs))
    } catch (error) {
      await job.kill()
      throw error
    }
    await job.stop()
    return reached
  }

  #begin(): JobProcess {
    const { env, watch } = this.#options
    watch.lifeBegan()
    return new JobProcess(env, {
      onStarted: (startMs) => watch.onStarted(startMs),
      onClaimed: (positions) => watch.onClaimed(positions),
      onBatch: (_records, ranges) => watch.onBatch(ranges),
    })
  }

  async #until(moment: KillMoment): Promise<void> {
    const { watch, signal } = this.#options
    if (moment.kind === 'working') {
      if (!(await this.#wait(() => watch.commitsOfLife > 0, FIRST_COMMIT_BOUND_MS))) {
        throw new OncesinkError(
          'INVARIANT_VIOLATED',
          `the job did not commit anything within ${FIRST_COMMIT_BOUND_MS / 1000} s of its start although there are records`,
        )
      }
      await this.#wait(() => watch.commitsOfLife >= moment.commits, MAX_WORKING_MS)
    }
    await sleep(moment.afterMs, undefined, { signal })
  }

  async #wait(condition: () => boolean, boundMs: number): Promise<boolean> {
    const until = performance.now() + boundMs
    while (!condition()) {
      if (performance.now() > until) return false
      await sleep(POLL_MS, undefined, { signal: this.#options.signal })
      this.#options.onTick()
    }
    return true
  }
}
