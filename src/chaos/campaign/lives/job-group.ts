import { setTimeout as sleep } from 'node:timers/promises'
import { ExitCode } from '../../../errors.ts'
import type { Arena } from '../arena.ts'
import { JobFailed } from '../job-failed.ts'
import type { JobSpec } from '../witness-job.ts'
import type { JobLife } from './job-life.ts'
import type { Programs } from './programs.ts'

/** Members own their share after this long, or something is wrong. */
const SETTLE_BOUND_MS = 60_000
const STOP_BOUND_MS = 10_000
const POLL_MS = 20

/** The members of one job's group, each a process with a name. */
export class JobGroup {
  /** Members that have ended with exit code 3, which one that loses its partitions over and over does. */
  replaced = 0
  readonly #programs: Programs
  readonly #arena: Arena
  readonly #options: Partial<JobSpec>
  readonly #lives = new Map<string, JobLife>()

  constructor(programs: Programs, arena: Arena, names: readonly string[], options: Partial<JobSpec>) {
    this.#programs = programs
    this.#arena = arena
    this.#options = options
    for (const name of names) this.#begin(name)
  }

  #begin(member: string): void {
    this.#lives.set(member, this.#programs.job({ spec: this.#arena.spec({ member, ...this.#options }) }))
  }

  get lives(): readonly JobLife[] {
    return [...this.#lives.values()]
  }

  /** @throws JobFailed when a member has ended for another reason than that it was replaced */
  requireAlive(): void {
    for (const [name, { end, lastWords }] of this.#lives) {
      if (!end) continue
      if (end.code !== ExitCode.ownershipLost)
        throw new JobFailed(
          `member ${name} ended by itself (${end.signal ?? `exit code ${end.code}`}): ${lastWords}`,
        )
      this.replaced += 1
      this.#begin(name)
    }
  }

  /** Resolves when every member owns its share, or `signal` is aborted. */
  async settled(signal: AbortSignal): Promise<void> {
    const until = performance.now() + SETTLE_BOUND_MS
    const share = this.#arena.partitions / this.#lives.size
    while (!signal.aborted) {
      this.requireAlive()
      if (this.lives.every(({ owned }) => owned.size === share)) return
      if (performance.now() > until)
        throw new JobFailed(
          `the members do not settle within ${SETTLE_BOUND_MS / 1_000} s:\n${this.describe()}`,
        )
      await sleep(POLL_MS)
    }
  }

  /** What each member owns, and the last that it has said. */
  describe(): string {
    const members = [...this.#lives].map(
      ([name, life]) =>
        `${name} owns ${[...life.owned.keys()].join() || 'nothing'}, ${life.commits} batches committed:\n${life.lastWords}`,
    )
    return members.join('\n')
  }

  /** @returns whether others than `from` have claimed all of `partitions` within the bound */
  async moved(
    partitions: readonly number[],
    from: JobLife,
    boundMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const until = performance.now() + boundMs
    const others = this.lives.filter((life) => life !== from)
    while (!partitions.every((partition) => others.some(({ owned }) => owned.has(partition)))) {
      if (performance.now() > until || signal.aborted) return false
      await sleep(POLL_MS)
    }
    return true
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.lives.map((life) => {
        life.signal('SIGCONT')
        return life.stop(STOP_BOUND_MS)
      }),
    )
  }
}
