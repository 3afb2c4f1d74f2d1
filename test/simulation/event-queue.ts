/** Something that is to happen. It does not once `run` is null. */
export interface SimulatedEvent {
  readonly at: number
  readonly order: number
  run: (() => void) | null
}

/** Events by time, and those of one moment in the order in which they were added: a binary heap. */
export class EventQueue {
  readonly #heap: SimulatedEvent[] = []
  #order = 0

  add(at: number, run: () => void): SimulatedEvent {
    const event = { at, order: this.#order++, run }
    const heap = this.#heap
    let i = heap.length
    heap.push(event)
    while (i > 0) {
      const parent = (i - 1) >> 1
      const above = heap[parent]
      if (!above || !isBefore(event, above)) break
      heap[i] = above
      i = parent
    }
    heap[i] = event
    return event
  }

  /** Takes the next event that was not cancelled, if it comes at `limit` or before. */
  take(limit: number): SimulatedEvent | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (!first || (first.run && first.at > limit)) return undefined
      const last = this.#heap.pop()
      if (last && last !== first) this.#sink(last)
      if (first.run) return first
    }
  }

  #sink(event: SimulatedEvent): void {
    const heap = this.#heap
    let i = 0
    for (;;) {
      const left = 2 * i + 1
      const [a, b] = [heap[left], heap[left + 1]]
      if (!a) break
      const [child, at] = b && isBefore(b, a) ? [b, left + 1] : [a, left]
      if (!isBefore(child, event)) break
      heap[i] = child
      i = at
    }
    heap[i] = event
  }
}

function isBefore(a: SimulatedEvent, b: SimulatedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
