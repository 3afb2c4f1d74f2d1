import { parentPort } from 'node:worker_threads'
import { type ControlName, controls } from './controls.ts'
import { useLightAborts } from './light-abort.ts'
import { minimiseSeed, replaySeed } from './replay.ts'
import { runSeeds } from './run-seeds.ts'
import type { Tally } from './tally.ts'

/** What a thread is asked for, one thing at a time. */
export type Task = { readonly control: ControlName | null } & (
  | { readonly kind: 'run'; readonly from: number; readonly seeds: number; readonly stopAtFirst: boolean }
  /** Without `only`: all faults. */
  | { readonly kind: 'replay'; readonly seed: number; readonly only: readonly number[] | null }
  | { readonly kind: 'minimise'; readonly seed: number }
)

export type Answer =
  | { readonly kind: 'ran'; readonly tally: Tally }
  | { readonly kind: 'replayed'; readonly text: string; readonly fails: boolean }
  /** Null: the seed does not fail. */
  | { readonly kind: 'minimised'; readonly only: readonly number[] | null }
  | { readonly kind: 'failed'; readonly message: string }

// Errors are made by the thousand here, and nobody reads where they come from.
Error.stackTraceLimit = 0
useLightAborts()

parentPort?.on('message', (task: Task) => {
  work(task).then(
    (answer) => parentPort?.postMessage(answer),
    (error: unknown) => {
      const message = error instanceof Error ? `${error.message}\n${error.stack}` : String(error)
      parentPort?.postMessage({ kind: 'failed', message } satisfies Answer)
    },
  )
})

async function work(task: Task): Promise<Answer> {
  const sabotage = task.control === null ? undefined : controls[task.control]
  switch (task.kind) {
    case 'run':
      return { kind: 'ran', tally: await runSeeds({ ...task, sabotage }) }
    case 'replay': {
      const { text, result } = await replaySeed(task.seed, { only: task.only ?? undefined, sabotage })
      return { kind: 'replayed', text, fails: result.violations.length > 0 }
    }
    case 'minimise':
      return { kind: 'minimised', only: await minimiseSeed(task.seed, sabotage) }
  }
}
