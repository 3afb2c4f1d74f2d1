import { performance } from 'node:perf_hooks'

/** Where the demo writes for people. */
export interface DemoOutput {
  write(text: string): void
  /** Whether lines can be rewritten in place. */
  readonly isTerminal: boolean
}

export interface Progress {
  readonly records: number
  readonly produced: number
  readonly committed: number
  readonly kills: number
  readonly ofKills: number
}

const LINE_EVERY_MS = 1_000
const REWRITE_EVERY_MS = 100
/** The rate is that of the last few seconds. */
const RATE_WINDOW_MS = 3_000

/** One live line: rewritten in place on a terminal, else printed about once a second. */
export class LiveLine {
  readonly #output: DemoOutput
  readonly #samples: { readonly atMs: number; readonly committed: number }[] = []
  #shownAtMs = Number.NEGATIVE_INFINITY
  #open = false

  constructor(output: DemoOutput) {
    this.#output = output
  }

  /** A line of its own, above the live one. */
  note(text: string): void {
    this.end()
    this.#output.write(`${text}\n`)
  }

  show(progress: Progress): void {
    const now = performance.now()
    if (now - this.#shownAtMs < (this.#output.isTerminal ? REWRITE_EVERY_MS : LINE_EVERY_MS)) return
    this.#shownAtMs = now
    const text = progressText(progress, this.#rate(now, progress.committed))
    if (!this.#output.isTerminal) this.#output.write(`${text}\n`)
    else {
      this.#output.write(`\r${text}\u001b[K`)
      this.#open = true
    }
  }

  /** Leaves the live line as it is and goes on below it. */
  end(): void {
    if (this.#open) this.#output.write('\n')
    this.#open = false
  }

  #rate(now: number, committed: number): number {
    this.#samples.push({ atMs: now, committed })
    while ((this.#samples[0]?.atMs ?? now) < now - RATE_WINDOW_MS) this.#samples.shift()
    const oldest = this.#samples[0]
    if (!oldest || oldest.atMs === now) return 0
    return ((committed - oldest.committed) / (now - oldest.atMs)) * 1_000
  }
}

export function progressText(progress: Progress, ratePerSecond: number): string {
  const { records, produced, committed, kills, ofKills } = progress
  const width = grouped(records).length
  return [
    `  produced ${grouped(produced).padStart(width)}/${grouped(records)}`,
    `committed ${grouped(committed).padStart(width)}`,
    `lag ${grouped(Math.max(0, produced - committed)).padStart(width)}`,
    `${grouped(Math.round(ratePerSecond))}/s`,
    `SIGKILL ${kills}/${ofKills}`,
  ].join('   ')
}

/** 200,000: the same in every locale. */
export function grouped(value: number | string): string {
  const [whole = '', fraction] = String(value).split('.')
  const text = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? text : `${text}.${fraction}`
}
