import { asError, invariant } from '../errors.ts'
import { areSeparate, type PartitionResult } from '../executor/executor.ts'
import type { Claim } from '../model/claim.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import {
  type BatchComputed,
  type BatchEnd,
  type BatchToCommit,
  type CommitDeps,
  commitAndAcknowledge,
  type ProcessedBatch,
} from './batch-in-flight.ts'
import { chunksOf } from './stream-batch.ts'

export interface InFlightOptions {
  /** Aborted when the job is to stop. */
  readonly stop: AbortSignal
  /** Called whenever a straggler has ended. */
  readonly onChange: () => void
}

/** How long the others of a batch wait for its last ranges at least, in milliseconds ... */
const GRACE_MS = 100
/** ... and for its first one, in milliseconds. */
const FIRST_MS = 500
/** What is computed as quickly as this, in milliseconds, gains nothing from being computed beside a commit. */
const QUICK_MS = 1
/** The one lane of batches that commit as a whole. */
const EVERYTHING = ''

/** What commits one after another: ranges of one partition, or whole batches. */
interface Lane {
  /** Computed, but the range before it has not ended. */
  next: Waiting | null
  /** Nobody waits for it any more. */
  isLate: boolean
  readonly ended: Promise<void>
}

interface Waiting {
  readonly part: BatchToCommit
  /** Under which it was computed. */
  readonly claims: readonly Claim[]
}

/**
 * What is being committed while the next batch is computed.
 *
 * Batches that commit as a whole are begun one after another. Where ranges commit one by one, a partition whose
 * transaction takes its time (somebody holds a row lock) is a straggler: the others of its batch go on without it, and at
 * most one more range of it is computed meanwhile, and waits.
 */
export class InFlight {
  readonly #deps: CommitDeps
  readonly #options: InFlightOptions
  readonly #lanes = new Map<string, Lane>()
  #batch: { readonly lanes: readonly Promise<void>[]; readonly ends: BatchEnd[] } = { lanes: [], ends: [] }
  #ended: BatchEnd[] = []
  #error: Error | null = null
  #due = Promise.resolve()

  constructor(deps: CommitDeps, options: InFlightOptions) {
    this.#deps = deps
    this.#options = options
  }

  /**
   * Resolves when the next batch is to be taken: as soon as what was begun is read to its end, so that it is computed
   * beside the commit. After a small batch that was everything there was, only when that commit has ended: records that
   * arrive meanwhile are then in the next batch, and need not wait for one more commit.
   */
  get due(): Promise<void> {
    return this.#due
  }

  get isEmpty(): boolean {
    return this.#lanes.size === 0
  }

  /**
   * Begins to commit what was computed under `claims`. What follows a range that is still in flight waits for it.
   * Results are left out that continue one that has failed meanwhile, or whose partition was lost.
   * @returns false when the others cannot be separated from those: nothing is begun, and everything is to be sought again
   */
  begin(batch: BatchComputed, claims: readonly Claim[]): boolean {
    const { ownership, strategy } = this.#deps
    const failed = this.#ended.flatMap(failedClaims)
    const results = ownership.stillOwned(
      claims.filter((claim) => !failed.includes(claimKey(claim))),
      batch.results,
    )
    if (results.length === 0) return true
    if (results.length < batch.results.length && !areSeparate(batch.results)) return false
    const ends: BatchEnd[] = []
    const enter = (key: string, part: BatchToCommit) => this.#enter(key, { part, claims }, ends)
    const lanes =
      strategy.unit === 'range'
        ? results.map((result) => enter(keyOf(result), { ...batch, results: [result], chunks: null }))
        : [enter(EVERYTHING, this.#whole({ ...batch, results }))]
    this.#batch = { lanes: lanes.filter((lane) => lane !== null), ends }
    if (strategy.unit !== 'range' && isSmall(batch)) this.#due = this.all()
    return true
  }

  /** For a strategy that takes a stream, the ranges of the batch are fixed now, and the rest of it is still to be read. */
  #whole(batch: BatchComputed): BatchToCommit {
    const chunks = chunksOf(this.#deps, batch, this.#options.stop)
    this.#due = chunks?.ended ?? Promise.resolve()
    return { ...batch, chunks }
  }

  /** @returns null where it has to wait for what is in flight already */
  #enter(key: string, waiting: Waiting, ends: BatchEnd[]): Promise<void> | null {
    const before = this.#lanes.get(key)
    if (before) {
      this.#dropStale(before)
      invariant(before.next === null, 'one range at most waits for the one before it')
      before.next = waiting
      return null
    }
    const ended = Promise.resolve().then(() => this.#run(key, lane, ends))
    const lane: Lane = { next: waiting, isLate: false, ended }
    this.#lanes.set(key, lane)
    return lane.ended
  }

  async #run(key: string, lane: Lane, ends: BatchEnd[]): Promise<void> {
    const failed: string[] = []
    try {
      while (lane.next) {
        this.#dropStale(lane, failed)
        if (!lane.next) break
        const { part } = lane.next
        lane.next = null
        const end = await commitAndAcknowledge(this.#deps, part)
        this.#ended.push(end)
        ends.push(end)
        failed.push(...failedClaims(end))
        if (lane.isLate) this.#options.onChange()
      }
    } catch (error) {
      this.#error ??= asError(error)
    } finally {
      this.#lanes.delete(key)
      if (lane.isLate) this.#options.onChange()
    }
  }

  /**
   * What waits is dropped unless all of it was computed under claims that still hold, and of which nothing has failed. Its
   * partition may have been claimed again while what it waits for is still in flight.
   */
  #dropStale(lane: Lane, failed: readonly string[] = []): void {
    if (lane.next === null) return
    const { part, claims } = lane.next
    const valid = claims.filter((claim) => !failed.includes(claimKey(claim)))
    if (this.#deps.ownership.stillOwned(valid, part.results).length === part.results.length) return
    part.chunks?.close()
    lane.next = null
  }

  /** Exclusive bounds of partitions of which one range waits already: nothing beyond it is to be computed. */
  held(): Map<string, bigint> {
    const waiting = [...this.#lanes.values()].flatMap((lane) => {
      this.#dropStale(lane)
      return lane.next?.part.results ?? []
    })
    return new Map(waiting.map((result) => [keyOf(result), result.range.until]))
  }

  /**
   * Waits until the batch that was begun last has ended, but not long for stragglers.
   * @returns what of it has ended and is durable; null when that is nothing, or not the whole batch where batches
   *   commit as a whole
   */
  async settled(): Promise<ProcessedBatch | null> {
    const { lanes, ends } = this.#batch
    this.#batch = { lanes: [], ends: [] }
    if (this.#deps.strategy.unit === 'range') await this.#withoutStragglers(lanes)
    else await Promise.all(lanes)
    const [first] = ends
    const durable = ends.filter(({ failures }) => failures.length === 0)
    if (!first || durable.length === 0) return null
    const longest = (of: (end: BatchEnd) => number) => Math.max(...durable.map(of))
    return {
      plan: first.plan,
      results: durable.flatMap(({ results }) => results),
      rows: durable.reduce((sum, { rows }) => sum + rows, 0),
      times: {
        schedulingDelayMs: longest(({ times }) => times.schedulingDelayMs),
        processingMs: longest(({ times }) => times.processingMs),
        endedAtMs: longest(({ times }) => times.endedAtMs),
      },
    }
  }

  async #withoutStragglers(lanes: readonly Promise<void>[]): Promise<void> {
    if (lanes.length === 0) return
    const { clock } = this.#deps.runtime
    const since = clock.monotonicMs()
    const all = Promise.all(lanes)
    await this.#within(FIRST_MS, Promise.race(lanes))
    await this.#within(Math.max(GRACE_MS, clock.monotonicMs() - since), all)
    for (const lane of this.#lanes.values()) lane.isLate = true
  }

  /** Waits for `work`, but not longer than `ms`. */
  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    const done = new AbortController()
    await Promise.race([work.then(() => done.abort()), this.#deps.runtime.clock.sleep(ms, done.signal)])
    done.abort()
  }

  /** Waits until nothing is in flight any more. */
  async all(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.all([...this.#lanes.values()].map(({ ended }) => ended))
  }

  /** Gives up waiting for stragglers after a bounded time; for a job that ends with an error. */
  async abandon(): Promise<void> {
    await this.#within(FIRST_MS, this.all())
  }

  /**
   * What has ended since this was last asked, in that order.
   * @throws what a commit was rejected with: a crash
   */
  take(): BatchEnd[] {
    if (this.#error) throw this.#error
    const ended = this.#ended
    this.#ended = []
    return ended
  }
}

function isSmall({ plan, results, tasksMs }: BatchComputed): boolean {
  const records = results.reduce((sum, result) => sum + result.records, 0)
  return tasksMs <= QUICK_MS && records < plan.maxRecords
}

function keyOf({ range }: Pick<PartitionResult, 'range'>): string {
  return topicPartitionKey(range)
}

/** Claims under which ranges did not commit. */
function failedClaims({ claims, failures }: BatchEnd): string[] {
  const failed = new Set(failures.map(({ range }) => keyOf({ range })))
  return claims.filter((claim) => failed.has(topicPartitionKey(claim))).map(claimKey)
}

/** One claim may take several partitions. */
function claimKey(claim: Claim): string {
  return `${topicPartitionKey(claim)} ${claim.claimId}`
}
