import { OncesinkError } from '../errors.ts'
import { type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import { Backoff, type BackoffOptions } from '../runtime/backoff.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Assignment } from './assignment.ts'
import type { BatchEnd } from './batch-in-flight.ts'
import {
  decide,
  type FailedBatch,
  type FailureDeps,
  failuresOf,
  settleUnknown,
  unknownOf,
} from './failed-batch.ts'
import type { Planner } from './planner.ts'

/**
 * Where ranges commit one by one: partitions of which one did not. Each waits for itself, longer with every failure that
 * says nothing about its records, and is claimed and sought again; meanwhile the others go on.
 *
 * States of a partition: `going` -> suspend() -> `suspended`, until it was claimed again -> `going`; a range whose COMMIT
 * had no answer is `unsettled` until then -> settle().
 */
export class Suspension {
  readonly #deps: FailureDeps & { readonly runtime: Runtime }
  readonly #assignment: Assignment
  readonly #planner: Planner
  readonly #options: BackoffOptions
  readonly #backoffs = new Map<string, Backoff>()
  #unsettled: BatchEnd[] = []

  constructor(
    deps: FailureDeps & { readonly runtime: Runtime },
    assignment: Assignment,
    planner: Planner,
    backoff: BackoffOptions,
  ) {
    this.#deps = deps
    this.#assignment = assignment
    this.#planner = planner
    this.#options = backoff
  }

  /** Whether everything that this process has claimed is suspended. */
  get isTotal(): boolean {
    const { ownership } = this.#deps
    return ownership.suspended().length > 0 && ownership.readable().length === 0
  }

  /** @throws OncesinkError what another try would not mend, see {@link decide} */
  suspend(failed: readonly BatchEnd[]): void {
    for (const ended of failed) {
      const partitions = failuresOf(this.#deps, ended).map(({ range }) => range)
      decide(this.#deps, this.#assignment, this.#planner, ended)
      if (unknownOf(this.#deps, ended).length > 0) this.#unsettled.push(ended)
      for (const tp of partitions) this.#assignment.suspend([tp], this.#delayMs(tp, ended))
    }
  }

  /** Ranges of these have committed: their next failure is a first one again. */
  committed({ results }: FailedBatch): void {
    for (const { range } of results) this.#backoffs.delete(topicPartitionKey(range))
  }

  /**
   * Exclusive bounds of what was not claimed and sought, so that nothing of it is computed: it may be sought at any
   * moment, beside the loop.
   */
  bounds(): Map<string, bigint> {
    const { ownership } = this.#deps
    return new Map([...ownership.unread(), ...ownership.suspended()].map((tp) => [topicPartitionKey(tp), 0n]))
  }

  /**
   * Tells what became of ranges whose COMMIT had no answer, once their partitions were claimed again.
   * @returns those that had committed after all
   */
  settle(): BatchEnd[] {
    const { ownership } = this.#deps
    const isKnown = (ended: BatchEnd) =>
      unknownOf(this.#deps, ended).every((range) => ownership.readable().some((claim) => isOf(claim, range)))
    const known = this.#unsettled.filter(isKnown)
    this.#unsettled = this.#unsettled.filter((ended) => !known.includes(ended))
    return known.filter((ended) => settleUnknown(this.#deps, this.#planner, ended))
  }

  /** A step of a search comes nearer to its end: nothing is gained by waiting longer and longer. */
  #delayMs(tp: TopicPartition, { failures }: BatchEnd): number {
    const isStep = failures.every((failure) => 'error' in failure && isRejection(failure.error))
    if (isStep) return this.#options.initialMs
    const key = topicPartitionKey(tp)
    const backoff = this.#backoffs.get(key) ?? new Backoff(this.#options, this.#deps.runtime.random)
    this.#backoffs.set(key, backoff)
    return backoff.nextMs()
  }
}

function isRejection(error: Error): boolean {
  return error instanceof OncesinkError && error.code === 'ROWS_REJECTED'
}

function isOf(a: TopicPartition, b: TopicPartition): boolean {
  return topicPartitionKey(a) === topicPartitionKey(b)
}
