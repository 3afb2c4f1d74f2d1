/** What the budget looks at of a partition. */
export interface BudgetedPartition {
  /** Bytes buffered, and bytes that a fetch under way may bring. */
  readonly claimedBytes: number
}

/** Fetches for less than this are not worth a round trip, unless nothing at all is buffered. */
const worthwhileBytes = 32 * 1024

/**
 * Shares the memory for fetched bytes between partitions: half of it is theirs in equal parts, whatever the others
 * do; the other half goes to whoever asks first, so that one busy partition is not confined to its part.
 *
 * A partition with nothing buffered may always fetch a little: what is taken next may depend on it, and a record
 * batch that is larger than any limit must still get through.
 */
export class FetchBudget {
  readonly #ownBytes: number
  #poolBytes: number

  constructor(maxBufferedBytes: number, partitions: readonly BudgetedPartition[]) {
    this.#ownBytes = Math.floor(maxBufferedBytes / 2 / Math.max(partitions.length, 1))
    this.#poolBytes = maxBufferedBytes / 2
    for (const { claimedBytes } of partitions) this.#poolBytes -= Math.max(claimedBytes - this.#ownBytes, 0)
  }

  /** Bytes that the partition may fetch now, up to `maxBytes`; 0 when it has to wait. They are then spoken for. */
  grant({ claimedBytes }: BudgetedPartition, maxBytes: number): number {
    const smallest = Math.min(worthwhileBytes, maxBytes)
    const own = Math.max(this.#ownBytes - claimedBytes, 0)
    let granted = Math.min(own + Math.max(this.#poolBytes, 0), maxBytes)
    if (granted < smallest) {
      if (claimedBytes > 0) return 0
      granted = smallest
    }
    this.#poolBytes -= Math.max(granted - own, 0)
    return Math.floor(granted)
  }
}
