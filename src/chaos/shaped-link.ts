/** How a link treats what passes; both may change at any time. */
export interface Shape {
  /** Milliseconds that everything takes longer. */
  readonly delayMs: number
  /** Bytes per second that pass; null for any number. */
  readonly bytesPerSecond: number | null
}

export const straight: Shape = { delayMs: 0, bytesPerSecond: null }

/** Beyond this the sender is asked to wait. */
const MAX_QUEUED_BYTES = 256 * 1024

/** One direction of a connection: bytes come out in the order in which they went in, later where the link is shaped. */
export class ShapedLink {
  readonly #shape: () => Shape
  readonly #write: (bytes: Buffer) => void
  readonly #onRoom: () => void
  readonly #queue: { readonly bytes: Buffer; readonly dueMs: number }[] = []
  #queuedBytes = 0
  #lastDueMs = 0
  #timer: NodeJS.Timeout | null = null
  #held = false

  /** @param onRoom called when it has fallen below its bound again */
  constructor(shape: () => Shape, write: (bytes: Buffer) => void, onRoom: () => void) {
    this.#shape = shape
    this.#write = write
    this.#onRoom = onRoom
  }

  /** Whether more should wait. */
  get full(): boolean {
    return this.#queuedBytes > MAX_QUEUED_BYTES
  }

  push(bytes: Buffer): void {
    const { delayMs, bytesPerSecond } = this.#shape()
    const now = performance.now()
    if (this.#queue.length === 0 && delayMs === 0 && bytesPerSecond === null && !this.#held) {
      this.#write(bytes)
      return
    }
    const transferMs = bytesPerSecond === null ? 0 : (bytes.length / bytesPerSecond) * 1_000
    this.#lastDueMs = Math.max(now + delayMs, this.#lastDueMs) + transferMs
    this.#queue.push({ bytes, dueMs: this.#lastDueMs })
    this.#queuedBytes += bytes.length
    this.#schedule()
  }

  /** Nothing comes out until release(). */
  hold(): void {
    this.#held = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  release(): void {
    this.#held = false
    this.#schedule()
  }

  /** What has not come out never will. */
  close(): void {
    this.#queue.length = 0
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  #schedule(): void {
    const [next] = this.#queue
    if (this.#timer || this.#held || !next) return
    this.#timer = setTimeout(() => this.#deliver(), Math.max(0, next.dueMs - performance.now()))
  }

  #deliver(): void {
    this.#timer = null
    const wasFull = this.full
    for (let next = this.#queue[0]; next && next.dueMs <= performance.now(); next = this.#queue[0]) {
      this.#queue.shift()
      this.#queuedBytes -= next.bytes.length
      this.#write(next.bytes)
    }
    if (wasFull && !this.full) this.#onRoom()
    this.#schedule()
  }
}
