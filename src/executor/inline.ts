import type { PoisonPolicy } from '../model/dead-letter.ts'
import { type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { FetchedRange, Source } from '../source/source.ts'
import { refuseTooMany, runWithDeadLetters } from './dead-letters.ts'
import type { CondemnedRecord, Executor, PartitionResult } from './executor.ts'
import type { PartitionTask } from './partition-task.ts'

/**
 * Runs partition tasks in this thread, one after another.
 *
 * States per partition: `reading` at a generation; seek and drop begin a new generation, and what was taken in an
 * earlier one is discarded. Ranges of other partitions stay: the source has moved on behind them, so they must be
 * committed or sought again by whoever asked for them.
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
  /** The range that is being computed. */
  let current: { readonly partition: string; readonly abandon: AbortController } | null = null

  function beginGeneration(partitions: readonly TopicPartition[]): void {
    for (const tp of partitions) {
      const partition = topicPartitionKey(tp)
      generations.set(partition, generationOf(tp) + 1)
      if (current?.partition === partition) current.abandon.abort()
    }
  }

  /** Null when the range was taken in an earlier generation. */
  async function computeRange(
    fetched: FetchedRange,
    isStale: () => boolean,
    condemned: readonly CondemnedRecord[] | undefined,
  ): Promise<PartitionResult | null> {
    if (isStale()) return null
    const abandon = new AbortController()
    current = { partition: topicPartitionKey(fetched.range), abandon }
    try {
      return poison.kind === 'fail'
        ? await task.run(fetched, abandon.signal)
        : await runWithDeadLetters(task, fetched, abandon.signal, poison, condemned)
    } catch (error) {
      // Whatever a stale range has to say does not matter any more: its records are read again, or by somebody else.
      if (isStale()) return null
      throw error
    } finally {
      current = null
    }
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
      const results: { result: PartitionResult; isStale: () => boolean }[] = []
      for (const { fetched, isStale } of taken) {
        const result = await computeRange(fetched, isStale, plan.condemned)
        if (result) results.push({ result, isStale })
      }
      if (results.length > 0) await runtime.faultPoints.reach('batch.computed')
      const fresh = results.filter(({ isStale }) => !isStale()).map(({ result }) => result)
      refuseTooMany(fresh, poison, plan.deadLettersBefore)
      return fresh
    },

    /** Abandons the work at hand. The source belongs to whoever made it. */
    async close() {
      current?.abandon.abort()
    },
  }
}
