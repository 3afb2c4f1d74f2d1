import { performance } from 'node:perf_hooks'

/** What is known, from the job's own log, of how far it has come over all its lives. */
export class CommitWatch {
  readonly #nextOffsets = new Map<string, number>()
  #commitsOfLife = 0
  #killedAtMs: number | null = null
  #restartsMs: number[] = []
  readonly #processStartsMs: number[] = []

  /** A new process takes over. */
  lifeBegan(): void {
    this.#commitsOfLife = 0
  }

  /** @param atMs when the signal was sent, on the clock of `performance.now()` */
  killed(atMs: number): void {
    this.#killedAtMs = atMs
  }

  onStarted(startMs: number): void {
    this.#processStartsMs.push(startMs)
  }

  onClaimed(positions: Readonly<Record<string, number>>): void {
    for (const [partition, nextOffset] of Object.entries(positions)) this.#advance(partition, nextOffset)
  }

  onBatch(ranges: readonly string[]): void {
    this.#commitsOfLife += 1
    if (this.#killedAtMs !== null) this.#restartsMs.push(performance.now() - this.#killedAtMs)
    this.#killedAtMs = null
    for (const range of ranges) {
      const match = /^(.+) \[\d+, (\d+)\)$/.exec(range)
      if (match?.[1] && match[2]) this.#advance(match[1], Number(match[2]))
    }
  }

  #advance(partition: string, nextOffset: number): void {
    this.#nextOffsets.set(partition, Math.max(nextOffset, this.#nextOffsets.get(partition) ?? 0))
  }

  get commitsOfLife(): number {
    return this.#commitsOfLife
  }

  /** Records committed: the demo's topic begins at 0 and has an offset for each record, and for nothing else. */
  get committed(): number {
    let sum = 0
    for (const nextOffset of this.#nextOffsets.values()) sum += nextOffset
    return sum
  }

  /** From each SIGKILL to the first commit after it, in milliseconds. */
  get restartsMs(): readonly number[] {
    return this.#restartsMs
  }

  /** From each process start to the command's own first code, in milliseconds. */
  get processStartsMs(): readonly number[] {
    return this.#processStartsMs
  }
}

/** Median and maximum; null of nothing. */
export function summary(values: readonly number[]): { median: number; max: number } | null {
  const sorted = values.toSorted((a, b) => a - b)
  const max = sorted.at(-1)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.floor((sorted.length - 1) / 2)]
  if (max === undefined || upper === undefined || lower === undefined) return null
  return { median: (lower + upper) / 2, max }
}
