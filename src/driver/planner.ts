import type { BatchPlan, PartitionResult } from '../executor/executor.ts'
import type { Claim } from '../model/claim.ts'
import type { OffsetRange } from '../model/offset-range.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'

/** How long a batch waits for its first record before the driver looks around again, in milliseconds. */
const MAX_WAIT_MS = 1_000
/** Ranges without visible records are committed once nothing else has been committed for this long. */
const EMPTY_RANGES_AFTER_MS = 5_000
/** Identical failures at one position before the batch is halved. */
const FAILURES_BEFORE_HALVING = 3

export interface PlannerOptions {
  readonly maxRecordsPerBatch: number
  /** Exclusive upper bounds by partition (a run that ends there), or null for a run without end. */
  readonly until: ReadonlyMap<string, bigint> | null
}

interface Suspects {
  /** Records of the next batch. */
  readonly limit: number
  /** Ends of the ranges that failed and have not committed since. */
  readonly until: Map<string, bigint>
  /** Positions of all partitions when the batch failed: those without a suspect range wait there. */
  readonly held: ReadonlyMap<string, bigint>
}

/**
 * How large the next batch may be. Pure: it only counts.
 *
 * States: `normal` -> (a batch is rejected, or fails the same way again and again) -> `bisecting` with half the
 * records -> (everything of the suspected ranges has committed) -> `normal`.
 * A rejected batch is bisected *outside* the transaction: its first half is run and committed as a batch of its own,
 * then the rest, until one record stands alone.
 */
export class Planner {
  readonly #options: PlannerOptions
  #suspects: Suspects | null = null
  #lastFailure: { readonly signature: string; count: number } | null = null

  constructor(options: PlannerOptions) {
    this.#options = options
  }

  next(sinceLastCommitMs: number): BatchPlan {
    const bounds = this.#suspects
      ? new Map([...this.#suspects.held, ...this.#suspects.until])
      : this.#options.until
    return {
      maxRecords: this.#suspects?.limit ?? this.#options.maxRecordsPerBatch,
      maxWaitMs: MAX_WAIT_MS,
      includeEmptyRanges: bounds !== null || sinceLastCommitMs >= EMPTY_RANGES_AFTER_MS,
      order: this.#suspects ? 'sequential' : 'fair',
      ...(bounds ? { until: bounds } : {}),
    }
  }

  /** @returns whether that was the last of the suspected ranges, which lifts the bounds that were planned with */
  committed(ranges: readonly OffsetRange[]): boolean {
    this.#lastFailure = null
    if (!this.#suspects) return false
    for (const range of ranges) {
      const until = this.#suspects.until.get(topicPartitionKey(range))
      if (until !== undefined && range.until >= until) this.#suspects.until.delete(topicPartitionKey(range))
    }
    if (this.#suspects.until.size > 0) return false
    this.#suspects = null
    return true
  }

  /**
   * A batch was rejected by the database: it is run again in halves.
   * @returns false when it holds one record or none, so that nothing is left to halve
   */
  rejected(results: readonly PartitionResult[], owned: readonly Claim[]): boolean {
    const records = results.reduce((sum, result) => sum + result.records, 0)
    if (records <= 1) return false
    const until = this.#suspects?.until ?? new Map<string, bigint>()
    for (const { range } of results) {
      const key = topicPartitionKey(range)
      if (!until.has(key)) until.set(key, range.until)
    }
    const held = new Map(owned.map((claim) => [topicPartitionKey(claim), claim.nextOffset]))
    this.#suspects = { limit: Math.max(1, Math.floor(records / 2)), until, held }
    return true
  }

  /**
   * A batch failed for a passing reason. After several identical failures at one position it is not so passing: the
   * batch is halved (a statement timeout may only be too much work).
   * @returns false when the same single record has failed again and again
   */
  failed(results: readonly PartitionResult[], owned: readonly Claim[], code: string): boolean {
    const first = results[0]?.range
    const signature = `${code} ${first ? `${topicPartitionKey(first)}@${first.from}` : ''}`
    if (this.#lastFailure?.signature === signature) this.#lastFailure.count += 1
    else this.#lastFailure = { signature, count: 1 }
    if (this.#lastFailure.count < FAILURES_BEFORE_HALVING) return true
    this.#lastFailure = null
    return this.rejected(results, owned)
  }
}
