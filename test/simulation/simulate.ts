import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { bundleSimulation } from './bundle.ts'
import type { ControlName } from './controls.ts'
import { addTally, emptyTally, type SeedFailure, type Tally } from './tally.ts'
import type { Answer, Task } from './worker.ts'

export interface SimulateOptions {
  /** First seed. @default 1 */
  readonly from?: number
  /** How many seeds, without end where it is Infinity. */
  readonly seeds: number
  /** Threads. @default 2 */
  readonly workers?: number
  /** Whether to end with the first seed that fails. @default false */
  readonly stopAtFirst?: boolean
  /** Another copy of `src`, or of its build, to be simulated. Default: this one. */
  readonly src?: string
  /** A wrong variant of the protocol to be simulated. Default: none. */
  readonly control?: ControlName | null
  /** Failures that are minimised. @default 3 */
  readonly explain?: number
  /** Aborted to end early; the report is then of what has run. */
  readonly signal?: AbortSignal
  /** Called after every share of seeds. */
  readonly onProgress?: (tally: Tally) => void
}

export interface ExplainedFailure extends SeedFailure {
  /** The fewest faults with which the seed still fails. */
  readonly only: readonly number[] | null
  /** The history of the seed with these, for people to read; empty where it was not asked for. */
  readonly history: string
  /** Command that shows it again. */
  readonly replay: string
}

export interface SimulationReport extends Omit<Tally, 'failures'> {
  readonly failures: readonly ExplainedFailure[]
  /** Kinds of faults that have not struck once. */
  readonly missingKinds: readonly string[]
  readonly elapsedMs: number
}

/** Seeds that a thread runs at a time: enough that messages cost nothing, few enough that it ends soon. */
const SHARE = 100

/**
 * Nearly everything that a run makes is garbage before it is looked for: a large room for it, looked through by the thread
 * itself, takes a seventh less CPU time than a small one that helpers look through with it.
 */
const YOUNG_MB = 192
setFlagsFromString('--no-parallel-scavenge')

/** Runs seeds in threads, and minimises those that fail. */
export async function simulateSeeds(options: SimulateOptions): Promise<SimulationReport> {
  const { from = 1, seeds, workers = 2, stopAtFirst = false, control = null, signal } = options
  const startedAt = performance.now()
  const bundle = await bundleSimulation(options.src)
  const threads = Array.from({ length: Math.max(1, workers) }, () => new Thread(bundle.file))
  const tally = emptyTally()
  let next = from
  const run = async (thread: Thread) => {
    while (next < from + seeds && !signal?.aborted && !(stopAtFirst && tally.failures.length > 0)) {
      const first = next
      const share = Math.min(SHARE, from + seeds - first)
      next += share
      const answer = await thread.ask({ kind: 'run', from: first, seeds: share, stopAtFirst, control })
      if (answer.kind !== 'ran') throw new Error('a thread has answered something else')
      addTally(tally, answer.tally)
      options.onProgress?.(tally)
    }
  }
  try {
    await Promise.all(threads.map(run))
    tally.failures.sort((a, b) => a.seed - b.seed)
    const [thread] = threads
    const failures: ExplainedFailure[] = []
    for (const [i, failure] of tally.failures.entries())
      failures.push(await explain(thread, failure, control, i < (options.explain ?? 3)))
    const missingKinds = Object.entries(tally.faultsByKind).flatMap(([kind, times]) => (times ? [] : [kind]))
    return { ...tally, failures, missingKinds, elapsedMs: performance.now() - startedAt }
  } finally {
    await Promise.all(threads.map((thread) => thread.end()))
    await bundle.remove()
  }
}

/** Runs one seed again, and writes its history. */
export async function replayInThread(
  seed: number,
  options: { only: readonly number[] | null; src?: string | undefined; control: ControlName | null },
): Promise<{ readonly text: string; readonly fails: boolean }> {
  const bundle = await bundleSimulation(options.src)
  const thread = new Thread(bundle.file)
  try {
    const answer = await thread.ask({ kind: 'replay', seed, only: options.only, control: options.control })
    if (answer.kind !== 'replayed') throw new Error('the thread has answered something else')
    return answer
  } finally {
    await thread.end()
    await bundle.remove()
  }
}

async function explain(
  thread: Thread | undefined,
  failure: SeedFailure,
  control: ControlName | null,
  inFull: boolean,
): Promise<ExplainedFailure> {
  const { seed } = failure
  const command = (only: readonly number[] | null) =>
    `npm run test:simulation -- --seed ${seed}${only ? ` --only ${only.join(',') || 'none'}` : ''}${control ? ` --control ${control}` : ''}`
  if (!thread || !inFull) return { ...failure, only: null, history: '', replay: command(null) }
  const minimised = await thread.ask({ kind: 'minimise', seed, control })
  const only = minimised.kind === 'minimised' ? minimised.only : null
  const replayed = await thread.ask({ kind: 'replay', seed, only, control })
  const history = replayed.kind === 'replayed' ? replayed.text : ''
  return { ...failure, only, history, replay: command(only) }
}

/** A worker thread that does one thing at a time. */
class Thread {
  readonly #worker: Worker

  constructor(file: string) {
    this.#worker = new Worker(file, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } })
  }

  ask(task: Task): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const answered = (answer: Answer) => {
        this.#worker.off('error', reject)
        if (answer.kind === 'failed') reject(new Error(answer.message))
        else resolve(answer)
      }
      this.#worker.once('message', answered)
      this.#worker.once('error', reject)
      this.#worker.postMessage(task)
    })
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}
