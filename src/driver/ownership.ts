import { invariant } from '../errors.ts'
import type { PartitionResult } from '../executor/executor.ts'
import type { Claim } from '../model/claim.ts'
import { formatRange } from '../model/offset-range.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'

/**
 * What this process owns, and how far each partition is committed as far as it knows. The truth is in SQL; this
 * copy only serves to notice at once when the two disagree.
 */
export class Ownership {
  readonly #owned = new Map<string, Claim>()

  replace(claims: readonly Claim[]): void {
    for (const claim of claims) this.#owned.set(topicPartitionKey(claim), claim)
  }

  remove(partitions: readonly TopicPartition[]): void {
    for (const tp of partitions) this.#owned.delete(topicPartitionKey(tp))
  }

  /** In partition order. */
  claims(): Claim[] {
    return sortedByPartition(this.#owned.values())
  }

  claimOf(tp: TopicPartition): Claim | undefined {
    return this.#owned.get(topicPartitionKey(tp))
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
      this.#owned.set(topicPartitionKey(range), moved)
    }
  }

  /** Whether every partition has reached its bound (exclusive); partitions without one count as done. */
  hasReached(until: ReadonlyMap<string, bigint>): boolean {
    return this.claims().every((claim) => claim.nextOffset >= (until.get(topicPartitionKey(claim)) ?? 0n))
  }
}
