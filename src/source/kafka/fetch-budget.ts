/** What the budget looks at of a partition. */
export interface BudgetedPartition {
  /** Bytes buffered, and bytes that a fetch under way may bring. */
  readonly claimedBytes: number
  /** Size of its next record batch, in bytes, as far as it can be guessed; 0 where there may be none. */
  readonly nextBatchBytes: number
}

/** Fetches for less than this are not worth a round trip, unless nothing at all is buffered. */
const worthwhileBytes = 32 * 1024

/**
 * Shares the memory for fetched bytes between partitions: half of it is theirs in equal parts, whatever the others
 * do; the other half goes to whoever asks first, so that one busy partition is not confined to its part. Where there are
 * so many partitions that most parts would not hold a single fetch, everything goes to whoever asks first.
 *
 * Everybody gets what the next record batch takes before anybody gets more: a broker sends nothing of a batch that is
 * too large, unless it is the first of its answer.
 *
 * A partition with nothing buffered may always fetch a little: what is taken next may depend on it, and a record
 * batch that is larger than any limit must still get through.
 */
export class FetchBudget {
  readonly #ownBytes: number
  #poolBytes: number

  constructor(maxBufferedBytes: number, partitions: readonly BudgetedPartition[]) {
    const wanted = partitions.reduce((sum, partition) => sum + worthFetching(partition), 0)
    const parts = wanted <= maxBufferedBytes / 2 ? maxBufferedBytes / 2 : 0
    this.#ownBytes = Math.floor(parts / Math.max(partitions.length, 1))
    this.#poolBytes = maxBufferedBytes - parts
    for (const { claimedBytes } of partitions) this.#poolBytes -= Math.max(claimedBytes - this.#ownBytes, 0)
  }

  /**
   * Bytes that each of the partitions may fetch now, up to `maxBytes`; 0 for one that has to wait. They are then spoken
   * for.
   * @param asking in the order in which they are served
   */
  grant(asking: readonly BudgetedPartition[], maxBytes: number): number[] {
    const least = asking.map((partition) => this.#least(partition, maxBytes))
    return asking.map(({ claimedBytes }, i) => {
      const granted = least[i] ?? 0
      if (granted === 0) return 0
      return granted + this.#take(claimedBytes + granted, maxBytes - granted, 0)
    })
  }

  /** The next record batch, or as much as is worth a round trip. */
  #least(partition: BudgetedPartition, maxBytes: number): number {
    const { claimedBytes } = partition
    const wanted = Math.min(worthFetching(partition), maxBytes)
    const taken = this.#take(claimedBytes, wanted, wanted)
    if (taken > 0 || claimedBytes > 0) return taken
    const little = Math.min(worthwhileBytes, maxBytes)
    this.#poolBytes -= Math.max(little - this.#ownBytes, 0)
    return little
  }

  /** Takes up to `wanted` bytes from the partition's own part, then from the common one; nothing if less than `least`. */
  #take(claimedBytes: number, wanted: number, least: number): number {
    const own = Math.max(this.#ownBytes - claimedBytes, 0)
    const taken = Math.floor(Math.min(own + Math.max(this.#poolBytes, 0), wanted))
    if (taken < least) return 0
    this.#poolBytes -= Math.max(taken - own, 0)
    return taken
  }
}

function worthFetching({ nextBatchBytes }: BudgetedPartition): number {
  return Math.max(nextBatchBytes, worthwhileBytes)
}
