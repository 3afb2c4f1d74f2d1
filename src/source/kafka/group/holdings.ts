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
  /** Whether others wait for what this member owns, as far as the leader knows. */
  #isAwaited = false

  /** What this member would keep from others: assigned partitions, and lost ones that the driver still works on. */
  owned(): TopicPartition[] {
    const owned = new Map(this.#assigned)
    if (!this.#isForfeited) for (const [key, tp] of this.#told) owned.set(key, tp)
    return sortedByPartition(owned.values())
  }

  assigned(): TopicPartition[] {
    return sortedByPartition(this.#assigned.values())
  }

  /** A new generation, and whether others wait in it for this member to let go of more than that. */
  assign(partitions: readonly TopicPartition[], isAwaited: boolean): void {
    this.#assigned = byKey(partitions)
    this.#isAwaited = isAwaited
  }

  /** This member was left out: everything may be others' by now. */
  forfeit(): void {
    this.#assigned = new Map()
    this.#isAwaited = false
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

  /** Whether others wait for what this member does not hold any more: the leader is to hear of it. */
  get isAwaitedForNothing(): boolean {
    return this.#isAwaited && this.owned().length === this.#assigned.size
  }
}

function byKey(partitions: readonly TopicPartition[]): Map<string, TopicPartition> {
  return new Map(partitions.map((tp) => [topicPartitionKey(tp), tp]))
}
