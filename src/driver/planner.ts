import type { RecordCoordinates } from '../errors.ts'
import type { BatchPlan, CondemnedRecord } from '../executor/executor.ts'
import type { Claim } from '../model/claim.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { RateController } from '../rate/rate.ts'
import type { FailedResult } from '../strategy/strategy.ts'
import type { BatchEnd } from './batch-in-flight.ts'

/** How long a batch waits for its first record before the driver looks around again, in milliseconds. */
const MAX_WAIT_MS = 1_000
/** This often, ranges without visible records are committed too, beside other partitions' records or alone. */
const EMPTY_RANGES_EVERY_MS = 5_000
/** Identical failures without a commit in between before the batch is halved. */
const FAILURES_BEFORE_HALVING = 3

export interface PlannerOptions {
  readonly maxRecordsPerBatch: number
  readonly maxBytesPerBatch: number
  /** How large a batch is that nothing else limits. */
  readonly rate: RateController
  /** Exclusive upper bounds by partition (a run that ends there), or null for a run without end. */
  readonly until: ReadonlyMap<string, bigint> | null
}

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
 * How large the next batch may be: what the rate controller says, unless there is something to look for. Pure: it only
 * counts.
 *
 * States: `normal` -> (a batch is rejected, or fails the same way again and again) -> `bisecting` with half the
 * records -> (everything of the suspected ranges has committed) -> `normal`.
 * A rejected batch is bisected *outside* the transaction: its first half is run and committed as a batch of its own,
 * then the rest, until one record stands alone. A job with dead letters condemns that record: the next batch leaves it
 * out, and once it has committed, the rest of the suspected ranges is tried as a whole again.
 */
export class Planner {
  readonly #options: PlannerOptions
  #suspects: Suspects | null = null
  #condemned: CondemnedRecord | null = null
  #failures: { readonly code: string; count: number; roundsAlone: number } | null = null
  #emptyRangesDueAt: number | null = null

  constructor(options: PlannerOptions) {
    this.#options = options
  }

  /**
   * @param nowMs monotonic time in milliseconds
   * @param owned what this process owns, with the positions that it knows
   * @param maxWaitMs how long it may wait for records at most, because there is something else to do
   */
  next(nowMs: number, owned: readonly Claim[], maxWaitMs = MAX_WAIT_MS): BatchPlan {
    this.#emptyRangesDueAt ??= nowMs + EMPTY_RANGES_EVERY_MS
    const emptyRangesDue = nowMs >= this.#emptyRangesDueAt
    if (emptyRangesDue) this.#emptyRangesDueAt = nowMs + EMPTY_RANGES_EVERY_MS
    this.#clear(owned)
    const bounds = this.#suspects ? boundsOf(this.#suspects, owned) : this.#options.until
    return {
      ...(this.#suspects ? { maxRecords: this.#suspects.limit } : this.#options.rate.next(owned.length)),
      maxBytes: this.#options.maxBytesPerBatch,
      maxWaitMs: Math.min(maxWaitMs, MAX_WAIT_MS),
      includeEmptyRanges: bounds !== null || emptyRangesDue,
      order: this.#suspects ? 'sequential' : 'fair',
      ...(bounds ? { until: bounds } : {}),
      ...(this.#condemned ? { condemned: this.#condemned } : {}),
    }
  }

  /** A batch has committed. What is being bisected says nothing about the rate. */
  observe({ plan, results, times }: Pick<BatchEnd, 'plan' | 'results' | 'times'>): void {
    if (plan.order !== 'fair') return
    this.#options.rate.observe({ ...times, records: recordsOf(results), limitRecords: plan.maxRecords })
  }

  /**
   * @param owned what this process owns, after the commit
   * @returns whether that was the last of the suspected ranges, which lifts the bounds that were planned with
   */
  committed(owned: readonly Claim[]): boolean {
    this.#failures = null
    if (this.#suspects && (this.#suspects.growing || this.#suspects.limit === 1)) {
      this.#suspects.growing = true
      this.#suspects.limit = Math.min(this.#suspects.limit * 2, this.#options.maxRecordsPerBatch)
    }
    return this.#clear(owned)
  }

  /**
   * Clears of suspicion what lies behind the positions, however it got there (a commit, a COMMIT without an answer, a
   * start that was resolved again), and what is no longer owned.
   * @returns whether nothing is suspected any more that was before
   */
  #clear(owned: readonly Claim[]): boolean {
    const positions = new Map(owned.map((claim) => [topicPartitionKey(claim), claim.nextOffset]))
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
  #acquitPassed(condemned: CondemnedRecord, positions: ReadonlyMap<string, bigint>): void {
    const position = positions.get(topicPartitionKey(condemned))
    if (position !== undefined && position <= condemned.offset) return
    this.#condemned = null
    if (this.#suspects) this.#suspects.limit = this.#options.maxRecordsPerBatch
  }

  /**
   * A batch was rejected by the database: it is run again in halves.
   * @returns false when it holds one record or none, so that nothing is left to halve
   */
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

  /**
   * Records up to this one fail when they are computed together, and none of them alone: smaller batches are tried.
   * @param records at most so many were computed
   */
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

  /**
   * The next batch leaves this record out.
   * @returns how many records of the batch that was rejected first have been condemned, this one included
   */
  condemn(record: CondemnedRecord): number {
    this.#condemned = record
    if (!this.#suspects) return 1
    this.#suspects.condemned += 1
    return this.#suspects.condemned
  }

  /**
   * A batch failed for a passing reason. After several identical failures it is not so passing: the batch is halved
   * (a statement timeout may only be too much work).
   * @returns how many rounds of identical failures a batch of a single record has behind it; 0 while there is
   *   something to halve
   */
  failed(results: readonly FailedResult[], code: string): number {
    if (this.#failures?.code !== code) this.#failures = { code, count: 0, roundsAlone: 0 }
    this.#failures.count += 1
    if (code === 'STATEMENT_TIMEOUT') this.#options.rate.timedOut(recordsOf(results))
    if (this.#failures.count >= FAILURES_BEFORE_HALVING) {
      this.#failures.count = 0
      if (!this.rejected(results)) this.#failures.roundsAlone += 1
    }
    return this.#failures.roundsAlone
  }
}

function recordsOf(results: readonly Pick<FailedResult, 'records'>[]): number {
  return results.reduce((sum, result) => sum + result.records, 0)
}

/** Suspects end where they failed; partitions without a suspect range wait where they are. */
function boundsOf(suspects: Suspects, owned: readonly Claim[]): Map<string, bigint> {
  return new Map(
    owned.map((claim) => {
      const key = topicPartitionKey(claim)
      return [key, suspects.until.get(key) ?? claim.nextOffset]
    }),
  )
}
