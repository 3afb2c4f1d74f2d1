import { performance } from 'node:perf_hooks'

/*
 * What has happened in a run, in order: every fault and its end, every commit, every change of a process. Whoever
 * judges the run, or draws it, looks here and nowhere else.
 */

/** When something happened: milliseconds since the run began, by a clock that never jumps. */
interface At {
  readonly atMs: number
}

export type HistoryEvent =
  /** A fault has really happened; a nemesis that found nothing to harm leaves none. */
  | { readonly kind: 'fault'; readonly nemesis: string; readonly detail: string }
  /** What the nemesis had broken is whole again. */
  | { readonly kind: 'healed'; readonly nemesis: string }
  /** A process has had the answer to its COMMIT, or has found out later that it had committed. */
  | {
      readonly kind: 'commit'
      readonly life: string
      readonly batchId: string
      readonly records: number
      readonly ranges: readonly string[]
    }
  /** A process begins or ends. */
  | {
      readonly kind: 'life'
      readonly life: string
      readonly what: 'started' | 'ended'
      readonly detail: string
    }
  /** What a process said of itself: claimed, lost, batchFailed, outcomeSettled, retrying, recovered, warning, failed. */
  | { readonly kind: 'said'; readonly life: string; readonly event: string; readonly detail: string }
  /** An observer has looked at one snapshot of the running system. */
  | { readonly kind: 'observed'; readonly records: number; readonly wrong: readonly string[] }
  /** A part of the run begins. */
  | { readonly kind: 'phase'; readonly name: string }

export type HistoryEntry = At & HistoryEvent

/** Entries of a kind that only make the picture denser are counted, and no longer kept, beyond this many. */
const MAX_KEPT = 200_000

export class History {
  readonly #startMs = performance.now()
  readonly #entries: HistoryEntry[] = []
  readonly #faults = new Map<string, number>()
  readonly #listeners = new Set<(entry: HistoryEntry) => void>()
  #commits = 0
  #records = 0
  #dropped = 0

  /** Milliseconds since the run began. */
  get nowMs(): number {
    return performance.now() - this.#startMs
  }

  get entries(): readonly HistoryEntry[] {
    return this.#entries
  }

  /** Faults that have happened, by nemesis. */
  get faults(): ReadonlyMap<string, number> {
    return this.#faults
  }

  get faultCount(): number {
    return [...this.#faults.values()].reduce((sum, count) => sum + count, 0)
  }

  get commits(): number {
    return this.#commits
  }

  /** Records of all commits that were heard of. */
  get records(): number {
    return this.#records
  }

  /** Entries that were counted and not kept. */
  get dropped(): number {
    return this.#dropped
  }

  /** A fault of this nemesis has happened, now. */
  fault(nemesis: string, detail: string): void {
    this.add({ kind: 'fault', nemesis, detail })
  }

  add(event: HistoryEvent): HistoryEntry {
    const entry = { atMs: this.nowMs, ...event }
    if (event.kind === 'fault') this.#faults.set(event.nemesis, (this.#faults.get(event.nemesis) ?? 0) + 1)
    if (event.kind === 'commit') {
      this.#commits += 1
      this.#records += event.records
    }
    if (this.#entries.length < MAX_KEPT || event.kind === 'fault' || event.kind === 'phase') {
      this.#entries.push(entry)
    } else this.#dropped += 1
    for (const listener of this.#listeners) listener(entry)
    return entry
  }

  /** Hears every entry from now on; the returned function ends that. */
  listen(listener: (entry: HistoryEntry) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Faults that were injected at most `withinMs` before `atMs`, the nearest first: what a violation may come from. */
  faultsBefore(atMs: number, withinMs: number): Extract<HistoryEntry, { kind: 'fault' }>[] {
    return this.#entries
      .filter((entry): entry is Extract<HistoryEntry, { kind: 'fault' }> => entry.kind === 'fault')
      .filter((entry) => entry.atMs <= atMs && atMs - entry.atMs <= withinMs)
      .reverse()
  }
}
