import { type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'

/** So often somebody else may claim a partition that this process owns by the word of the group ... */
const MAX_FENCES = 2
/** ... within this time, in milliseconds. */
const WINDOW_MS = 60_000

/**
 * Notices who claims partitions again and again that the group says are this process's. Once is a process that was
 * stopped for a while, or an operator; over and over it is one that runs the same job outside of the group, and both
 * would fence each other for ever. Pure: it only counts.
 */
export class Contention {
  readonly #fencedAt = new Map<string, number[]>()

  /**
   * Somebody else has claimed these.
   * @param nowMs monotonic time in milliseconds
   * @returns those of which it was once too often
   */
  fenced<T extends TopicPartition>(partitions: readonly T[], nowMs: number): T[] {
    return partitions.filter((tp) => {
      const key = topicPartitionKey(tp)
      const recent = (this.#fencedAt.get(key) ?? []).filter((at) => at > nowMs - WINDOW_MS)
      this.#fencedAt.set(key, [...recent, nowMs])
      return recent.length >= MAX_FENCES
    })
  }

  /** The group has given these to somebody else, who was right to claim them. */
  forget(partitions: readonly TopicPartition[]): void {
    for (const tp of partitions) this.#fencedAt.delete(topicPartitionKey(tp))
  }
}

export const contentionLimit = `${MAX_FENCES + 1} times within ${WINDOW_MS / 1_000} s`
