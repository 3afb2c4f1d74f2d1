import { asError } from '../../errors.ts'
import type { CampaignOutcome, Counts } from './campaign.ts'
import type { Task } from './figures.ts'
import { JobFailed } from './job-failed.ts'
import type { Programs } from './lives/programs.ts'
import type { Servers } from './servers.ts'

/** What one task has come to. */
export interface TaskResult {
  readonly task: Task
  readonly reached: number
  readonly counts: Counts
  /** Until the last fault, without the check that follows. */
  readonly seconds: number
  /** Null where it did not come to an end. */
  readonly outcome: CampaignOutcome | null
  /** Why it did not, or why it has reached less than its target. */
  readonly why: string | null
  /** Whether that is the job's fault. */
  readonly jobFailed: boolean
}

export interface CampaignsOptions {
  readonly tasks: readonly Task[]
  readonly servers: Servers
  readonly programs: Programs
  readonly seed: number
  /** Seconds for all of it; Infinity for as long as it takes. */
  readonly seconds: number
  /** Aborting it ends all campaigns: with a check of what was reached, where they can. */
  readonly signal: AbortSignal
  readonly onProgress: (task: Task, reached: number, counts: Counts) => void
  readonly onResult: (result: TaskResult) => void
}

/** A campaign has this share of its time beyond what is expected of it, if others leave it. */
const CHECK_SHARE = 0.15

/**
 * Runs the campaigns: those that keep the processors busy one after another, and beside them, one after another, those
 * that wait most of the time.
 */
export async function runCampaigns(options: CampaignsOptions): Promise<readonly TaskResult[]> {
  const results = new Map<Task, TaskResult>()
  const began = performance.now()
  const queue = async (tasks: readonly Task[]) => {
    for (const [i, task] of tasks.entries()) {
      const left = tasks.slice(i).reduce((sum, { figure }) => sum + figure.seconds, 0)
      const secondsLeft = options.seconds - (performance.now() - began) / 1_000
      const seconds = Math.max(1, ((secondsLeft * task.figure.seconds) / left) * (1 - CHECK_SHARE))
      const result = await runTask(options, task, i, seconds)
      results.set(task, result)
      options.onResult(result)
    }
  }
  await Promise.all([
    queue(options.tasks.filter(({ figure }) => figure.isBusy)),
    queue(options.tasks.filter(({ figure }) => !figure.isBusy)),
  ])
  return options.tasks.flatMap((task) => results.get(task) ?? [])
}

async function runTask(
  { servers, programs, seed, signal, onProgress }: CampaignsOptions,
  task: Task,
  index: number,
  budget: number,
): Promise<TaskResult> {
  const { figure, engine, target } = task
  const began = performance.now()
  let [reached, counts]: [number, Counts] = [0, {}]
  const over = Number.isFinite(budget) ? AbortSignal.timeout(Math.ceil(budget * 1_000)) : null
  const ended = over ? AbortSignal.any([signal, over]) : signal
  let seconds = 0
  if (signal.aborted)
    return { task, reached, counts, seconds, outcome: null, why: 'interrupted', jobFailed: false }
  try {
    const outcome = await figure.run({
      engine,
      servers,
      programs,
      target,
      // Each campaign has chances of its own.
      seed: (seed + index * 7_919) >>> 0,
      signal: ended,
      onProgress: (now, said) => {
        if (now > reached) seconds = (performance.now() - began) / 1_000
        ;[reached, counts] = [now, said]
        onProgress(task, now, said)
      },
    })
    const short = outcome.reached < target
    const why = signal.aborted ? 'interrupted' : `its ${Math.round(budget)} s were over`
    return {
      task,
      reached: outcome.reached,
      counts: outcome.counts,
      seconds,
      outcome,
      why: short ? why : null,
      jobFailed: false,
    }
  } catch (thrown) {
    const error = asError(thrown)
    const jobFailed = error instanceof JobFailed
    const why = signal.aborted ? `interrupted (${error.message})` : (error.stack ?? error.message)
    return { task, reached, counts, seconds, outcome: null, why, jobFailed }
  }
}
