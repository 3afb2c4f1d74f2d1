/** Less is not asked for, in bytes: the least that the option `fetch.maxBytes` may be. */
const leastBytes = 1024

/**
 * How large the responses of a node may be. One that is cut off half-way, or takes longer than a request may, is lost
 * as a whole and must be sent again from its beginning: where no connection lasts long enough for a large one, only
 * smaller ones ever arrive. So each failure halves what is asked for, and each answer doubles it again.
 *
 * A record batch is sent whole however little is asked for.
 */
export class ResponseAllowance {
  readonly #mostBytes: number
  #bytes: number

  /** @param mostBytes what is asked for as long as nothing fails */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
    this.#bytes = mostBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** A request failed for which the partitions in it would have allowed `askedBytes`. */
  failed(askedBytes: number): void {
    const half = Math.floor(Math.min(askedBytes, this.#bytes) / 2)
    this.#bytes = Math.min(Math.max(half, leastBytes), this.#mostBytes)
  }

  answered(): void {
    this.#bytes = Math.min(this.#bytes * 2, this.#mostBytes)
  }
}
