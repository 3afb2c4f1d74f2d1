import type { Counts } from './campaign.ts'
import type { Task } from './figures.ts'
import type { TaskResult } from './run-campaigns.ts'
import { grouped } from './table.ts'

const EVERY_MS = 5_000

/** Tells every few seconds how far each running campaign has come. */
export class Progress {
  readonly #write: (line: string) => void
  readonly #began = performance.now()
  readonly #running = new Map<Task, { readonly sinceMs: number; toldMs: number }>()

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  note(text: string): void {
    this.#write(`${this.#clock()} ${text}`)
  }

  show(task: Task, reached: number, counts: Counts): void {
    const now = performance.now()
    const known = this.#running.get(task) ?? { sinceMs: now, toldMs: now }
    this.#running.set(task, known)
    if (now - known.toldMs < EVERY_MS) return
    known.toldMs = now
    const rate = (reached / ((now - known.sinceMs) / 1_000)).toFixed(1)
    const more = Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `, ${name}: ${grouped(count)}`)
      .join('')
    this.note(`${labelOf(task)}: ${grouped(reached)} of ${grouped(task.target)} (${rate}/s)${more}`)
  }

  done({ task, reached, outcome, seconds, why }: TaskResult): void {
    this.#running.delete(task)
    const checked = outcome
      ? `${grouped(outcome.verdict.records)} records checked, ${outcome.verdict.lost} lost, ${outcome.verdict.duplicated} duplicated`
      : 'not checked'
    const short = why === null ? '' : `: ${why}`
    this.note(
      `${labelOf(task)}: ${grouped(reached)} of ${grouped(task.target)} in ${seconds.toFixed(0)} s, ${checked}${short}`,
    )
  }

  /** `12:05`, minutes and seconds since the beginning. */
  #clock(): string {
    const seconds = Math.floor((performance.now() - this.#began) / 1_000)
    return `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')}`
  }
}

function labelOf({ figure, engine }: Task): string {
  return `${figure.name} ${engine}`
}
