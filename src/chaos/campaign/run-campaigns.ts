import { asError } from '../../errors.ts'
import type { CampaignOutcome, Counts } from './campaign.ts'
import { type Task, tracks } from './figures.ts'
import { JobFailed } from './job-failed.ts'
import type { Programs } from './lives/programs.ts'
import type { Servers } from './servers.ts'
import { combined } from './verdict.ts'

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
  /** Whether nothing but the time has kept it from its target, so that it could go on. */
  readonly timeWasUp: boolean
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
/** What is left is not worth a beginning. */
const SHORTEST_SECONDS = 20

/**
 * Runs the campaigns, those of one track one after another. Each gets its share of the time, by what is expected of it. What
 * the quick ones leave goes to those that were cut short, by the speed that they have shown, until everything is reached or
 * the time is over.
 */
export async function runCampaigns(options: CampaignsOptions): Promise<readonly TaskResult[]> {
  const results = new Map<Task, TaskResult>()
  const began = performance.now()
  const secondsLeft = () => options.seconds - (performance.now() - began) / 1_000
  const queue = async (tasks: readonly Task[]) => {
    for (let round = tasks; round.length > 0; round = tasks.filter((task) => goesOn(results.get(task)))) {
      for (const [i, task] of round.entries()) {
        const known = results.get(task)
        if (known && secondsLeft() < SHORTEST_SECONDS) return
        const expected = (each: Task) => expectedSeconds(each, results.get(each))
        const left = round.slice(i).reduce((sum, each) => sum + expected(each), 0)
        const seconds = Math.max(1, secondsLeft() * (expected(task) / left) * (1 - CHECK_SHARE))
        const result = await runTask(options, task, known ?? null, seconds)
        results.set(task, result)
        options.onResult(result)
      }
    }
  }
  await Promise.all(
    tracks.map((track) => queue(options.tasks.filter(({ figure }) => figure.track === track))),
  )
  return options.tasks.flatMap((task) => results.get(task) ?? [])
}

/** Only what was found right so far; programs that are to be caught begin afresh, and have to be caught in one go. */
function goesOn(result: TaskResult | undefined): boolean {
  if (!result?.timeWasUp || !result.outcome || result.reached === 0) return false
  return result.outcome.verdict.violations.length === 0 && !result.outcome.controls
}

function expectedSeconds({ figure }: Task, known: TaskResult | undefined): number {
  if (!known) return figure.seconds
  return ((known.task.target - known.reached) / known.reached) * known.seconds
}

/** @param before what it has reached in rounds before this one */
async function runTask(
  { servers, programs, tasks, seed, signal, onProgress }: CampaignsOptions,
  task: Task,
  before: TaskResult | null,
  budget: number,
): Promise<TaskResult> {
  const { figure, engine } = task
  const target = task.target - (before?.reached ?? 0)
  const began = performance.now()
  let [reached, counts]: [number, Counts] = [0, {}]
  const over = Number.isFinite(budget) ? AbortSignal.timeout(Math.ceil(budget * 1_000)) : null
  const ended = over ? AbortSignal.any([signal, over]) : signal
  let seconds = 0
  const result = (end: Pick<TaskResult, 'outcome' | 'why'> & Partial<TaskResult>) =>
    added(before, { task, reached, counts, seconds, jobFailed: false, timeWasUp: false, ...end })
  if (signal.aborted) return result({ outcome: null, why: 'interrupted' })
  try {
    const outcome = await figure.run({
      engine,
      servers,
      programs,
      target,
      // Each campaign has chances of its own, and so has each of its rounds.
      seed: (seed + tasks.indexOf(task) * 7_919 + (before?.reached ?? 0) * 104_729) >>> 0,
      signal: ended,
      onProgress: (now, said) => {
        if (now > reached) seconds = (performance.now() - began) / 1_000
        ;[reached, counts] = [now, said]
        onProgress(task, (before?.reached ?? 0) + now, said)
      },
    })
    ;({ reached, counts } = outcome)
    if (reached >= target) return result({ outcome, why: null })
    const why = signal.aborted ? 'interrupted' : `its ${Math.round(budget)} s were over`
    return result({ outcome, why, timeWasUp: !signal.aborted })
  } catch (thrown) {
    const error = asError(thrown)
    const why = signal.aborted ? `interrupted (${error.message})` : (error.stack ?? error.message)
    return result({ outcome: null, why, jobFailed: error instanceof JobFailed })
  }
}

/** Two rounds of one campaign, as one. */
function added(before: TaskResult | null, now: TaskResult): TaskResult {
  if (!before?.outcome) return now
  const reached = before.reached + now.reached
  const counts = addedCounts(before.counts, now.counts)
  const verdict = combined([before.outcome.verdict, ...(now.outcome ? [now.outcome.verdict] : [])])
  return {
    ...now,
    reached,
    counts,
    seconds: before.seconds + now.seconds,
    outcome: { reached, counts, verdict },
  }
}

function addedCounts(a: Counts, b: Counts): Counts {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return Object.fromEntries([...names].map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]))
}
