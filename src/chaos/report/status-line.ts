import type { ChaosStatus } from '../options.ts'
import { grouped } from './text.ts'

/** Where lines cannot be rewritten, one is printed this often. */
const LINE_EVERY_MS = 5_000

/** How far a run is: one line, rewritten in place on a terminal, else printed now and then. */
export class StatusLine {
  readonly #isTerminal: boolean
  readonly #write: (text: string) => void
  #open = false
  #shownMs = Number.NEGATIVE_INFINITY

  constructor(isTerminal: boolean, write: (text: string) => void) {
    this.#isTerminal = isTerminal
    this.#write = write
  }

  /** A line of its own, below the live one. */
  note(text: string): void {
    if (this.#open) this.#write('\n')
    this.#open = false
    this.#write(`${text}\n`)
  }

  show(status: ChaosStatus): void {
    const text = statusText(status)
    if (this.#isTerminal) {
      this.#write(`\r${text.slice(0, 160)}\u001b[K`)
      this.#open = true
    } else if (status.elapsedMs - this.#shownMs >= LINE_EVERY_MS) {
      this.#shownMs = status.elapsedMs
      this.#write(`${text}\n`)
    }
  }
}

export function statusText({
  elapsedMs,
  durationMs,
  faults,
  commits,
  records,
  lives,
  lastFault,
}: ChaosStatus): string {
  const seconds = (ms: number) => `${Math.round(Math.min(ms, durationMs) / 1_000)}`
  return [
    `  ${seconds(elapsedMs)}/${seconds(durationMs)} s`,
    `faults ${grouped(faults)}`,
    `lives ${grouped(lives)}`,
    `commits ${grouped(commits)}`,
    `records ${grouped(records)}`,
    ...(lastFault === null ? [] : [lastFault]),
  ].join('   ')
}
