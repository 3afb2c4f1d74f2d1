import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../../model/topic-partition.ts'
import type { AssignmentChange } from '../../membership.ts'

type Partitions = ReadonlyMap<string, TopicPartition>

/**
 * What this member has: what the group has assigned to it, and what the driver has been told so far, which it may still
 * be working on. Both are its own until the driver has let go of them.
 */
export class Holdings {
  /** As of the latest generation. */
  #assigned: Partitions = new Map()
  /** What the driver knows of. */
  #told: Partitions = new Map()
  /** Whether others may have had what the driver knows of: it must claim again even what is assigned again. */
  #isForfeited = false
  /** What the leader takes this member to own. */
  #believed: Partitions = new Map()

  /** What this member would keep from others: assigned partitions, and lost ones that the driver still works on. */
  owned(): TopicPartition[] {
    const owned = new Map(this.#assigned)
    if (!this.#isForfeited) for (const [key, tp] of this.#told) owned.set(key, tp)
    return sortedByPartition(owned.values())
  }

  assigned(): TopicPartition[] {
    return sortedByPartition(this.#assigned.values())
  }

  /** A new generation, for which this member had said that it owns `believed`. */
  assign(partitions: readonly TopicPartition[], believed: readonly TopicPartition[]): void {
    this.#assigned = byKey(partitions)
    this.#believed = byKey(believed)
  }

  /** This member was left out: everything may be others' by now. */
  forfeit(): void {
    this.#assigned = new Map()
    this.#believed = new Map()
    this.#isForfeited = this.#told.size > 0
  }

  get isForfeited(): boolean {
    return this.#isForfeited
  }

  get hasChanges(): boolean {
    if (this.#isForfeited || this.#told.size !== this.#assigned.size) return true
    return [...this.#assigned.keys()].some((key) => !this.#told.has(key))
  }

  /** What has changed since the driver was told last. What is lost is free from now on. */
  take(): AssignmentChange {
    const kept = (key: string) => !this.#isForfeited && this.#told.has(key) && this.#assigned.has(key)
    const [told, assigned] = [this.#told, this.#assigned]
    const change = {
      gained: sortedByPartition([...assigned].filter(([key]) => !kept(key)).map(([, tp]) => tp)),
      lost: sortedByPartition([...told].filter(([key]) => !kept(key)).map(([, tp]) => tp)),
    }
    this.#told = assigned
    this.#isForfeited = false
    return change
  }

  /** The driver has heard that everything is lost: what is assigned will be gained anew. */
  forget(): void {
    this.#told = new Map()
    this.#isForfeited = false
  }

  /** Whether the leader keeps partitions from others for this member that it does not hold any more. */
  get areBelievedToBeMore(): boolean {
    const owned = byKey(this.owned())
    return [...this.#believed.keys()].some((key) => !owned.has(key))
  }
}

function byKey(partitions: readonly TopicPartition[]): Map<string, TopicPartition> {
  return new Map(partitions.map((tp) => [topicPartitionKey(tp), tp]))
}
