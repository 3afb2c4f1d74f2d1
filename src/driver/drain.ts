import type { Job } from '../job/job.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { Membership } from '../source/membership.ts'
import type { Source } from '../source/source.ts'
import type { Ownership } from './ownership.ts'
import { type UntilDoneDeps, untilDone } from './until-done.ts'

export interface DrainDeps extends UntilDoneDeps {
  readonly job: Job
  readonly source: Source
  readonly membership: Membership
  readonly ownership: Ownership
}

/**
 * A run that ends: each partition is read up to its last stable offset at the moment when this process got it, so one
 * that is gained on the way is drained too. What other processes own is theirs to drain.
 */
export class Drain {
  readonly #deps: DrainDeps
  readonly #until = new Map<string, bigint>()
  readonly #waitsUntilMs: number

  constructor(deps: DrainDeps) {
    this.#deps = deps
    this.#waitsUntilMs = deps.runtime.clock.monotonicMs() + deps.job.limits.startupTimeoutMs
  }

  /** Exclusive upper bounds by partition; the object stays the same. */
  get until(): ReadonlyMap<string, bigint> {
    return this.#until
  }

  /**
   * Sets the bounds of partitions that have none yet.
   * @returns false when `stop` was aborted before it succeeded
   * @throws OncesinkError why the brokers cannot tell; the last passing error once `limits.startupTimeoutMs` is over
   */
  extend(stop: AbortSignal): Promise<boolean> {
    const { job, source, ownership } = this.#deps
    const isNew = (key: string) => !this.#until.has(key)
    const unbounded = ownership.claims().filter((claim) => isNew(topicPartitionKey(claim)))
    if (unbounded.length === 0) return Promise.resolve(true)
    // The brokers are asked while a batch may be in flight: the database connection is the batch's.
    const deps = { ...this.#deps, session: { drop: () => {} } }
    return untilDone(deps, stop, job.limits.startupTimeoutMs, async () => {
      const bounds = await source.watermarks(unbounded)
      for (const bound of bounds) this.#until.set(topicPartitionKey(bound), bound.lastStable)
    })
  }

  /**
   * Whether everything that this process owns has been drained. Where partitions are shared it waits, for
   * `limits.startupTimeoutMs` at most, until it owns any: others may have to release them first.
   */
  isDone(): boolean {
    const { ownership, membership, runtime } = this.#deps
    if (ownership.unread().length > 0) return false
    const ownsNothing = ownership.claims().length === 0
    if (ownsNothing && membership.isShared) return runtime.clock.monotonicMs() >= this.#waitsUntilMs
    return ownership.hasReached(this.#until)
  }
}
