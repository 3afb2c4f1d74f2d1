import { EventQueue, type SimulatedEvent } from './event-queue.ts'

export interface HistoryEntry {
  /** Simulated milliseconds. */
  readonly at: number
  /** A process, or what else acts. */
  readonly who: string
  readonly what: string
}

/**
 * Simulated time. Nothing happens but what was scheduled; when nothing can run, time jumps to the next event.
 * With one seed everything happens in the same order every time.
 */
export class World {
  readonly history: HistoryEntry[] = []
  /** Whether the history is written: it costs more than the rest of a run. */
  readonly isRecording: boolean
  readonly #events = new EventQueue()
  #now = 0

  constructor(isRecording = false) {
    this.isRecording = isRecording
  }

  get now(): number {
    return this.#now
  }

  /** @param what is only asked for where the history is written */
  note(who: string, what: () => string): void {
    if (this.isRecording) this.history.push({ at: this.#now, who, what: what() })
  }

  schedule(afterMs: number, run: () => void): SimulatedEvent {
    return this.#events.add(this.#now + Math.max(0, afterMs), run)
  }

  /** Lets simulated time pass until `done` or until `limitMs`. Returns whether it got done. */
  async run(done: () => boolean, limitMs: number): Promise<boolean> {
    // Whoever calls it from a callback of Node's is no microtask yet, and ticks would come before microtasks.
    await null
    for (;;) {
      await settle()
      if (done()) return true
      const next = this.#events.take(limitMs)
      if (!next) return false
      this.#now = next.at
      next.run?.()
    }
  }
}

/** Ticks run when no microtask is left: all that can go on without time passing has gone on then. */
function settle(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}
