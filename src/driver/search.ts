import type { RecordCoordinates } from '../errors.ts'
import type { CondemnedRecord } from '../executor/executor.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { FailedResult } from '../strategy/strategy.ts'

/** Identical failures without a commit in between before the batch is halved. */
const FAILURES_BEFORE_HALVING = 3

/** Next offsets by `topicPartitionKey`. */
type Positions = ReadonlyMap<string, bigint>

interface Suspects {
  /** Records of the next batch. */
  limit: number
  /** Whether single records have passed, so that batches may become larger again. */
  growing: boolean
  /** Records of these ranges that were condemned. */
  condemned: number
  /** Ends of the ranges that failed and have not committed since. */
  readonly until: Map<string, bigint>
}

/**
 * The search for what makes ranges fail that commit together: a whole batch's, or those of one partition. Pure: it only
 * counts.
 *
 * States: `calm` -> (ranges are rejected, or fail the same way again and again) -> `searching` with half the records ->
 * (everything of the suspected ranges has committed) -> `calm`.
 * What was rejected is bisected *outside* the transaction: its first half is run and committed as a batch of its own,
 * then the rest, until one record stands alone. A job with dead letters condemns that record: the next batch leaves it
 * out, and once it has committed, the rest of the suspected ranges is tried as a whole again.
 */
export class Search {
  readonly #maxRecords: number
  #suspects: Suspects | null = null
  #condemned: CondemnedRecord | null = null
  #failures: { readonly code: string; count: number; roundsAlone: number } | null = null

  /** @param maxRecords what a batch may have at most */
  constructor(maxRecords: number) {
    this.#maxRecords = maxRecords
  }

  /** Most records of the next batch of these ranges; null while nothing is suspected. */
  get limit(): number | null {
    return this.#suspects?.limit ?? null
  }

  /** Ends of the suspected ranges; null while nothing is suspected. */
  get until(): Positions | null {
    return this.#suspects?.until ?? null
  }

  /** What the next batch leaves out. */
  get condemned(): CondemnedRecord | null {
    return this.#condemned
  }

  /** Whether it knows nothing that would be missed. */
  get isOver(): boolean {
    return !(this.#suspects || this.#condemned || this.#failures)
  }

  /**
   * Ranges have committed.
   * @returns whether that was the last of the suspected ranges
   */
  committed(positions: Positions): boolean {
    this.#failures = null
    if (this.#suspects && (this.#suspects.growing || this.#suspects.limit === 1)) {
      this.#suspects.growing = true
      this.#suspects.limit = Math.min(this.#suspects.limit * 2, this.#maxRecords)
    }
    return this.clear(positions)
  }

  /**
   * Clears of suspicion what lies behind the positions, however it got there (a commit, a COMMIT without an answer, a
   * start that was resolved again), and what has no position because it is no longer owned.
   * @returns whether nothing is suspected any more that was before
   */
  clear(positions: Positions): boolean {
    if (this.#condemned) this.#acquitPassed(this.#condemned, positions)
    if (!this.#suspects) return false
    for (const [key, until] of this.#suspects.until) {
      if ((positions.get(key) ?? until) >= until) this.#suspects.until.delete(key)
    }
    if (this.#suspects.until.size > 0) return false
    this.#suspects = null
    return true
  }

  /** Once the condemned record lies behind the position, whatever else is wrong in the suspected ranges is looked for anew. */
  #acquitPassed(condemned: CondemnedRecord, positions: Positions): void {
    const position = positions.get(topicPartitionKey(condemned))
    if (position !== undefined && position <= condemned.offset) return
    this.#condemned = null
    if (this.#suspects) this.#suspects.limit = this.#maxRecords
  }

  /** See {@link Planner.rejected}. */
  rejected(results: readonly FailedResult[]): boolean {
    const records = recordsOf(results)
    if (records <= 1) return false
    const until = this.#suspects?.until ?? new Map<string, bigint>()
    for (const { range } of results) {
      const key = topicPartitionKey(range)
      if (!until.has(key)) until.set(key, range.until)
    }
    this.#suspect(records, until)
    return true
  }

  /** See {@link Planner.failsTogether}. */
  failsTogether({ topic, partition, offset }: RecordCoordinates, records: number): void {
    const until = this.#suspects?.until ?? new Map<string, bigint>()
    const key = topicPartitionKey({ topic, partition })
    if ((until.get(key) ?? 0n) <= offset) until.set(key, offset + 1n)
    this.#suspect(records, until)
  }

  #suspect(records: number, until: Map<string, bigint>): void {
    const condemned = this.#suspects?.condemned ?? 0
    this.#suspects = { limit: Math.max(1, Math.floor(records / 2)), growing: false, condemned, until }
  }

  /** See {@link Planner.condemn}. */
  condemn(record: CondemnedRecord): number {
    this.#condemned = record
    if (!this.#suspects) return 1
    this.#suspects.condemned += 1
    return this.#suspects.condemned
  }

  /** See {@link Planner.failed}. */
  failed(results: readonly FailedResult[], code: string): number {
    if (this.#failures?.code !== code) this.#failures = { code, count: 0, roundsAlone: 0 }
    this.#failures.count += 1
    if (this.#failures.count >= FAILURES_BEFORE_HALVING) {
      this.#failures.count = 0
      if (!this.rejected(results)) this.#failures.roundsAlone += 1
    }
    return this.#failures.roundsAlone
  }
}

export function recordsOf(results: readonly Pick<FailedResult, 'records'>[]): number {
  return results.reduce((sum, result) => sum + result.records, 0)
}
