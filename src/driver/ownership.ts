import { invariant } from '../errors.ts'
import type { PartitionResult } from '../executor/executor.ts'
import type { Claim } from '../model/claim.ts'
import { formatRange } from '../model/offset-range.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'

/**
 * What this process owns, and how far each partition is committed as far as it knows. The truth is in SQL; this
 * copy only serves to notice at once when the two disagree.
 *
 * States of a partition: (the membership gives it) -> `given` -> claim() -> `claimed` -> (it was sought) -> read() ->
 * `read`; (somebody else has claimed it) -> unclaim() -> `given`; any -> remove() -> gone.
 */
export class Ownership {
  readonly #unread = new Map<string, TopicPartition>()
  readonly #claimed = new Map<string, Claim>()

  /** What the membership has given. It must be claimed before it is read. */
  give(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const key = topicPartitionKey({ topic, partition })
      this.#claimed.delete(key)
      this.#unread.set(key, { topic, partition })
    }
  }

  /** What has been claimed, or claimed again. */
  claim(claims: readonly Claim[]): void {
    for (const claim of claims) this.#claimed.set(topicPartitionKey(claim), claim)
  }

  /** What was sought after its claim. */
  read(claims: readonly Claim[]): void {
    for (const claim of claims) this.#unread.delete(topicPartitionKey(claim))
  }

  /** The claims of these are worth nothing any more. */
  unclaim(partitions: readonly TopicPartition[]): void {
    this.give(partitions.filter((tp) => this.#claimed.has(topicPartitionKey(tp))))
  }

  /** What is not this process's any more. */
  remove(partitions: readonly TopicPartition[]): void {
    for (const tp of partitions) {
      this.#unread.delete(topicPartitionKey(tp))
      this.#claimed.delete(topicPartitionKey(tp))
    }
  }

  /** Everything that the membership has given, claimed or not, in partition order. */
  all(): TopicPartition[] {
    return sortedByPartition(new Map([...this.#unread, ...this.#claimed]).values())
  }

  /** What is still to be claimed, or to be sought, in partition order. */
  unread(): TopicPartition[] {
    return sortedByPartition(this.#unread.values())
  }

  /** In partition order. */
  claims(): Claim[] {
    return sortedByPartition(this.#claimed.values())
  }

  claimOf(tp: TopicPartition): Claim | undefined {
    return this.#claimed.get(topicPartitionKey(tp))
  }

  /**
   * Those results that still may be committed, after partitions were lost or claimed anew while they were computed.
   * @param before the claims when that began
   */
  stillOwned(before: readonly Claim[], results: readonly PartitionResult[]): PartitionResult[] {
    const claimIds = new Map(before.map((claim) => [topicPartitionKey(claim), claim.claimId]))
    return results.filter(({ range }) => {
      const claimId = this.claimOf(range)?.claimId
      return claimId !== undefined && claimId === claimIds.get(topicPartitionKey(range))
    })
  }

  /** The claim of each result; asserts that every range starts where the previous one ended. */
  claimsFor(results: readonly PartitionResult[]): Claim[] {
    return results.map(({ range }) => {
      const claim = this.claimOf(range)
      invariant(claim, `range ${formatRange(range)} was read, but its partition is not owned`)
      invariant(
        claim.nextOffset === range.from,
        `range ${formatRange(range)} was read, but its partition is committed up to ${claim.nextOffset}`,
      )
      return claim
    })
  }

  /** Moves the known positions after a COMMIT was acknowledged: what a later seek compares with the log. */
  advance(committed: readonly Pick<PartitionResult, 'range' | 'leaderEpoch'>[]): void {
    for (const { range, leaderEpoch } of committed) {
      const claim = this.claimOf(range)
      invariant(claim, `range ${formatRange(range)} has committed, but its partition is not owned`)
      const moved = { ...claim, nextOffset: range.until, seq: claim.seq + 1n, leaderEpoch }
      this.#claimed.set(topicPartitionKey(range), moved)
    }
  }

  /** Whether every claimed partition has reached its bound (exclusive); partitions without one count as done. */
  hasReached(until: ReadonlyMap<string, bigint>): boolean {
    return this.claims().every((claim) => claim.nextOffset >= (until.get(topicPartitionKey(claim)) ?? 0n))
  }
}
