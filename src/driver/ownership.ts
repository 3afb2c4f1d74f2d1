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
 * `read`; (a range of it did not commit) -> suspend() -> `suspended` -> claim() and read() again -> `read`; (somebody
 * else has claimed it) -> unclaim() -> `given`; any -> remove() -> gone.
 */
export class Ownership {
  readonly #unread = new Map<string, TopicPartition>()
  readonly #claimed = new Map<string, Claim>()
  readonly #suspended = new Map<string, TopicPartition>()

  /** What the membership has given. It must be claimed before it is read. */
  give(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const key = topicPartitionKey({ topic, partition })
      this.#claimed.delete(key)
      this.#suspended.delete(key)
      this.#unread.set(key, { topic, partition })
    }
  }

  /** What has been claimed, or claimed again. */
  claim(claims: readonly Claim[]): void {
    for (const claim of claims) this.#claimed.set(topicPartitionKey(claim), claim)
  }

  /** What was sought after its claim. */
  read(claims: readonly Claim[]): void {
    for (const claim of claims) {
      this.#unread.delete(topicPartitionKey(claim))
      this.#suspended.delete(topicPartitionKey(claim))
    }
  }

  /** Nothing of these is computed or committed until they were claimed and sought again. */
  suspend(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const key = topicPartitionKey({ topic, partition })
      if (this.#claimed.has(key)) this.#suspended.set(key, { topic, partition })
    }
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
      this.#suspended.delete(topicPartitionKey(tp))
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

  /** What is to be claimed again, in partition order. */
  suspended(): TopicPartition[] {
    return sortedByPartition(this.#suspended.values())
  }

  /** In partition order, those that are suspended among them. */
  claims(): Claim[] {
    return sortedByPartition(this.#claimed.values())
  }

  /** Claims of what was sought and may be computed and committed, in partition order. */
  readable(): Claim[] {
    return this.claims().filter((claim) => this.#isReadable(claim))
  }

  #isReadable(tp: TopicPartition): boolean {
    const key = topicPartitionKey(tp)
    return this.#claimed.has(key) && !this.#unread.has(key) && !this.#suspended.has(key)
  }

  claimOf(tp: TopicPartition): Claim | undefined {
    return this.#claimed.get(topicPartitionKey(tp))
  }

  /** Whether the membership has given it to this process, claimed or not. */
  isGiven(tp: TopicPartition): boolean {
    return this.#unread.has(topicPartitionKey(tp)) || this.#claimed.has(topicPartitionKey(tp))
  }

  /** Whether this claim is the one under which the partition is read and committed now. */
  isCurrent(claim: Claim): boolean {
    return this.#isReadable(claim) && this.claimOf(claim)?.claimId === claim.claimId
  }

  /**
   * Those results that still may be committed, after partitions were lost, suspended or claimed anew while they were
   * computed.
   * @param before the claims when that began
   */
  stillOwned<R extends Pick<PartitionResult, 'range'>>(before: readonly Claim[], results: readonly R[]): R[] {
    const current = new Set(before.filter((claim) => this.isCurrent(claim)).map(topicPartitionKey))
    return results.filter(({ range }) => current.has(topicPartitionKey(range)))
  }

  /** The claim of each result; asserts that every range starts where the previous one ended. */
  claimsFor(results: readonly Pick<PartitionResult, 'range'>[]): Claim[] {
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
