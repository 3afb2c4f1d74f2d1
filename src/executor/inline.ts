import type { PoisonPolicy } from '../model/dead-letter.ts'
import { type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { FetchedRange, Source } from '../source/source.ts'
import { refuseTooMany, runWithDeadLetters } from './dead-letters.ts'
import {
  areSeparate,
  type BatchPlan,
  type CondemnedRecord,
  type Executor,
  type PartitionResult,
} from './executor.ts'
import type { PartitionTask } from './partition-task.ts'

/** A range, and whether its partition has begun a new generation since it was taken. */
interface Taken {
  readonly fetched: FetchedRange
  readonly isStale: () => boolean
}

interface Computed {
  readonly result: PartitionResult
  readonly isStale: () => boolean
}

/**
 * Runs partition tasks in this thread, one after another.
 *
 * States per partition: `reading` at a generation; seek and drop begin a new generation, and what was taken in an
 * earlier one is discarded. Ranges of other partitions stay: the source has moved on behind them, so they must be
 * committed or sought again by whoever asked for them. Where ranges were added up as one, they are so once more
 * without those that were discarded.
 *
 * Aborting the signal of `compute` ends the waiting for records. Ranges that were taken are computed and returned.
 */
export function createInlineExecutor(
  source: Source,
  task: PartitionTask,
  runtime: Runtime,
  poison: PoisonPolicy = { kind: 'fail' },
): Executor {
  const generations = new Map<string, number>()
  const generationOf = (tp: TopicPartition) => generations.get(topicPartitionKey(tp)) ?? 0
  /** What is being computed. */
  let current: { readonly partitions: ReadonlySet<string>; readonly abandon: AbortController } | null = null

  function beginGeneration(partitions: readonly TopicPartition[]): void {
    for (const tp of partitions) {
      const partition = topicPartitionKey(tp)
      generations.set(partition, generationOf(tp) + 1)
      if (current?.partitions.has(partition)) current.abandon.abort()
    }
  }

  /** `stale` when one of the ranges is of an earlier generation by the end. */
  async function computing<T>(
    taken: readonly Taken[],
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | 'stale'> {
    const isStale = () => taken.some((range) => range.isStale())
    if (isStale()) return 'stale'
    const abandon = new AbortController()
    current = { partitions: new Set(taken.map(({ fetched }) => topicPartitionKey(fetched.range))), abandon }
    try {
      const done = await work(abandon.signal)
      return isStale() ? 'stale' : done
    } catch (error) {
      // Whatever a stale range has to say does not matter any more: its records are read again, or by somebody else.
      if (isStale()) return 'stale'
      throw error
    } finally {
      current = null
    }
  }

  async function computeOneByOne(
    taken: readonly Taken[],
    condemned: readonly CondemnedRecord[] | undefined,
  ): Promise<Computed[]> {
    const results: Computed[] = []
    for (const one of taken) {
      const { fetched, isStale } = one
      const result = await computing([one], (signal) =>
        poison.kind === 'fail'
          ? task.run(fetched, signal)
          : runWithDeadLetters(task, fetched, signal, poison, condemned),
      )
      if (result !== 'stale') results.push({ result, isStale })
    }
    return results
  }

  /** Null where they have to be computed one by one. */
  async function computeAsOne(taken: readonly Taken[]): Promise<Computed[] | null> {
    for (;;) {
      const fresh = taken.filter(({ isStale }) => !isStale())
      const ranges = fresh.map(({ fetched }) => fetched)
      const results = await computing(fresh, (signal) => task.runAsOne(ranges, signal))
      if (results === 'stale') continue
      return results?.map((result, i) => ({ result, isStale: (fresh[i] as Taken).isStale })) ?? null
    }
  }

  async function computeTaken(
    taken: readonly Taken[],
    { joinRanges = false, condemned }: BatchPlan,
  ): Promise<Computed[]> {
    const asOne = joinRanges && condemned === undefined && taken.length > 1 ? await computeAsOne(taken) : null
    return asOne ?? computeOneByOne(taken, condemned)
  }

  return {
    /** Never: what fails here fails in `compute`. */
    failed: new AbortController().signal,

    /** The source is opened by whoever made it. */
    async open() {},

    progress: () => source.progress(),

    seek(positions) {
      beginGeneration(positions)
      return source.seek(positions)
    },

    drop(partitions) {
      beginGeneration(partitions)
      source.drop(partitions)
    },

    async compute(plan, signal) {
      const taken = (await source.take(plan, signal)).map((fetched) => {
        const generation = generationOf(fetched.range)
        return { fetched, isStale: () => generationOf(fetched.range) !== generation }
      })
      if (taken.length === 0) return []
      await runtime.faultPoints.reach('batch.fetched')
      for (;;) {
        const computed = await computeTaken(taken, plan)
        if (computed.length > 0) await runtime.faultPoints.reach('batch.computed')
        const fresh = computed.filter(({ isStale }) => !isStale()).map(({ result }) => result)
        if (fresh.length < computed.length && !areSeparate(computed.map(({ result }) => result))) continue
        refuseTooMany(fresh, poison, plan.deadLettersBefore)
        return fresh
      }
    },

    /** Abandons the work at hand. The source belongs to whoever made it. */
    async close() {
      current?.abandon.abort()
    },
  }
}
