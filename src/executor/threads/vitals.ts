/** Bytes of shared memory per worker. */
const BYTES = 16

/**
 * A worker's signs of life, in memory that it shares with the driver's thread: they can be seen while the worker is
 * busy and answers nothing. Written by the worker alone.
 */
export class Vitals {
  readonly memory: SharedArrayBuffer
  readonly #beats: Int32Array
  readonly #offset: Float64Array

  constructor(memory = new SharedArrayBuffer(BYTES)) {
    this.memory = memory
    this.#beats = new Int32Array(memory, 0, 2)
    this.#offset = new Float64Array(memory, 8, 1)
  }

  /** Said by the worker's event loop. */
  beat(): void {
    Atomics.add(this.#beats, 0, 1)
  }

  /** Said once, when the job is loaded. */
  ready(): void {
    Atomics.store(this.#beats, 1, 1)
  }

  /** Said before each record. A plain store: it costs next to nothing, and is seen soon enough. */
  atRecord(offset: number): void {
    this.#offset[0] = offset
  }

  look(): Vital {
    const isReady = Atomics.load(this.#beats, 1) === 1
    return { beats: Atomics.load(this.#beats, 0), isReady, offset: this.#offset[0] ?? 0 }
  }
}

export interface Vital {
  readonly beats: number
  /** Whether the job is loaded: until then the thread itself has to start. */
  readonly isReady: boolean
  /** Offset of the record at hand, or of the last one. */
  readonly offset: number
}
