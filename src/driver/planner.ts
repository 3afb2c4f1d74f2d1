import type { RecordCoordinates } from '../errors.ts'
import type { BatchPlan, CondemnedRecord } from '../executor/executor.ts'
import type { Claim } from '../model/claim.ts'
import { type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import type { RateController } from '../rate/rate.ts'
import type { AtomicUnit, FailedResult } from '../strategy/strategy.ts'
import type { ProcessedBatch } from './batch-in-flight.ts'
import { recordsOf, Search } from './search.ts'

/** How long a batch waits for its first record before the driver looks around again, in milliseconds. */
const MAX_WAIT_MS = 1_000
/** This often, ranges without visible records are committed too, beside other partitions' records or alone. */
const EMPTY_RANGES_EVERY_MS = 5_000
/** The one search of a job whose batches commit as a whole. */
const EVERYTHING = ''

export interface PlannerOptions {
  readonly maxRecordsPerBatch: number
  readonly maxBytesPerBatch: number
  /** How large a batch is that nothing else limits. */
  readonly rate: RateController
  /** Exclusive upper bounds by partition (a run that ends there), or null for a run without end. */
  readonly until: ReadonlyMap<string, bigint> | null
  /** What commits or fails as a whole, and so is searched as a whole when it is rejected. */
  readonly unit: AtomicUnit
  /** See {@link BatchPlan.joinRanges}. @default false */
  readonly joinRanges?: boolean
}

/**
 * How large the next batch may be: what the rate controller says, unless there is something to look for, see
 * {@link Search}. Pure: it only counts.
 *
 * Where batches commit as a whole, a search takes the whole batch: partitions in order, the others wait. Where ranges
 * commit one by one, every partition has a search of its own: only what it takes of that partition is limited.
 */
export class Planner {
  readonly #options: PlannerOptions
  readonly #searches = new Map<string, Search>()
  #emptyRangesDueAt: number | null = null

  constructor(options: PlannerOptions) {
    this.#options = options
  }

  /**
   * @param nowMs monotonic time in milliseconds
   * @param owned what this process owns, with the positions that it knows
   * @param maxWaitMs how long it may wait for records at most, because there is something else to do
   * @param held exclusive upper bounds of partitions of which nothing beyond them may be computed now
   */
  next(
    nowMs: number,
    owned: readonly Claim[],
    maxWaitMs = MAX_WAIT_MS,
    held: ReadonlyMap<string, bigint> = new Map(),
  ): BatchPlan {
    this.#emptyRangesDueAt ??= nowMs + EMPTY_RANGES_EVERY_MS
    const emptyRangesDue = nowMs >= this.#emptyRangesDueAt
    if (emptyRangesDue) this.#emptyRangesDueAt = nowMs + EMPTY_RANGES_EVERY_MS
    this.#clear(owned)
    const searches = [...this.#searches.values()]
    const whole = this.#options.unit !== 'range' ? (searches[0] ?? null) : null
    const bounds = whole?.until ? boundsOf(whole.until, owned) : this.#boundsOfAll(searches)
    const limitOf = whole ? new Map() : limitsOf(searches)
    const condemned = searches.flatMap((search) => search.condemned ?? [])
    const until = new Map([...(bounds ?? []), ...held])
    return {
      ...(whole?.limit ? { maxRecords: whole.limit } : this.#options.rate.next(owned.length)),
      ...(limitOf.size > 0 ? { maxRecordsOf: limitOf } : {}),
      maxBytes: this.#options.maxBytesPerBatch,
      maxWaitMs: Math.min(maxWaitMs, MAX_WAIT_MS),
      includeEmptyRanges: bounds !== null || emptyRangesDue,
      order: whole?.limit ? 'sequential' : 'fair',
      ...(until.size > 0 || bounds ? { until } : {}),
      ...(condemned.length > 0 ? { condemned } : {}),
      ...(this.#options.joinRanges ? { joinRanges: true } : {}),
    }
  }

  /** The bounds of the run, and of what is searched partition by partition. */
  #boundsOfAll(searches: readonly Search[]): ReadonlyMap<string, bigint> | null {
    const suspects = searches.flatMap(({ until }) => [...(until ?? [])])
    if (suspects.length === 0) return this.#options.until
    return new Map([...(this.#options.until ?? []), ...suspects])
  }

  /** A batch has committed. What is being bisected as a whole says nothing about the rate. */
  observe({ plan, results, rows, times }: ProcessedBatch): void {
    if (plan.order !== 'fair') return
    this.#options.rate.observe({ ...times, records: recordsOf(results), rows, limitRecords: plan.maxRecords })
  }

  /**
   * @param owned what this process owns, after the commit
   * @param ranges what has committed
   * @returns whether that was the last of the suspected ranges, which lifts the bounds that were planned with
   */
  committed(owned: readonly Claim[], ranges: readonly TopicPartition[]): boolean {
    const searches = new Set(ranges.flatMap((range) => this.#searches.get(this.#keyOf(range)) ?? []))
    const lifted = [...searches].map((search) => search.committed(positionsOf(owned)))
    return this.#clear(owned) || lifted.includes(true)
  }

  /** Returns whether nothing is suspected any more of something that was. */
  #clear(owned: readonly Claim[]): boolean {
    const positions = positionsOf(owned)
    let lifted = false
    for (const [key, search] of this.#searches) {
      if (search.clear(positions)) lifted = true
      const isGone = this.#options.unit === 'range' && !positions.has(key)
      if (isGone || search.isOver) this.#searches.delete(key)
    }
    return lifted
  }

  /**
   * Ranges were rejected by the database: they are run again in halves.
   * @returns false when they hold one record or none, so that nothing is left to halve
   */
  rejected(results: readonly FailedResult[]): boolean {
    return this.#searchOf(results).rejected(results)
  }

  /**
   * Records up to this one fail when they are computed together, and none of them alone: smaller batches are tried.
   * @param records at most so many were computed
   */
  failsTogether(record: RecordCoordinates, records: number): void {
    this.#searchAt(record).failsTogether(record, records)
  }

  /**
   * The next batch leaves this record out.
   * @returns how many records of the ranges that were rejected first have been condemned, this one included
   */
  condemn(record: CondemnedRecord): number {
    return this.#searchAt(record).condemn(record)
  }

  /**
   * Ranges failed for a passing reason. After several identical failures it is not so passing: they are halved
   * (a statement timeout may only be too much work).
   * @returns how many rounds of identical failures ranges of a single record have behind them; 0 while there is
   *   something to halve
   */
  failed(results: readonly FailedResult[], code: string): number {
    const isTimeout = code === 'STATEMENT_TIMEOUT'
    if (isTimeout && this.#options.unit !== 'range') this.#options.rate.timedOut(recordsOf(results))
    const search = this.#searchOf(results)
    // The rate is that of all partitions: one of them that is slow has smaller ranges instead.
    if (isTimeout && this.#options.unit === 'range') search.rejected(results)
    return search.failed(results, code)
  }

  #searchOf([first]: readonly FailedResult[]): Search {
    return this.#searchAt(first?.range)
  }

  #searchAt(tp: TopicPartition | undefined): Search {
    const key = tp ? this.#keyOf(tp) : EVERYTHING
    const search = this.#searches.get(key) ?? new Search(this.#options.maxRecordsPerBatch)
    this.#searches.set(key, search)
    return search
  }

  #keyOf(tp: TopicPartition): string {
    return this.#options.unit === 'range' ? topicPartitionKey(tp) : EVERYTHING
  }
}

function positionsOf(owned: readonly Claim[]): Map<string, bigint> {
  return new Map(owned.map((claim) => [topicPartitionKey(claim), claim.nextOffset]))
}

/** Suspects end where they failed; partitions without a suspect range wait where they are. */
function boundsOf(suspects: ReadonlyMap<string, bigint>, owned: readonly Claim[]): Map<string, bigint> {
  return new Map(
    owned.map((claim) => {
      const key = topicPartitionKey(claim)
      return [key, suspects.get(key) ?? claim.nextOffset]
    }),
  )
}

/** Most records of each partition that is searched by itself. */
function limitsOf(searches: readonly Search[]): Map<string, number> {
  return new Map(
    searches.flatMap(({ limit, until }) =>
      limit === null ? [] : [...(until?.keys() ?? [])].map((key): [string, number] => [key, limit]),
    ),
  )
}
