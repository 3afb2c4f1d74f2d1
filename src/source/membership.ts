import type { TopicPartition } from '../model/topic-partition.ts'

/**
 * Who owns which partition. The reader knows nothing of it.
 *
 * States: `stopped` -> start() -> `member` -> (assignment changes) -> stop() -> `stopped`.
 */
export interface Membership {
  /** Joins, and resolves with the partitions that this process owns from now on. */
  start(): Promise<readonly TopicPartition[]>

  /**
   * What has changed since it was last asked, without waiting. Lost partitions are no longer this process's own
   * when it returns; gained ones must be claimed before they are read.
   * @throws OncesinkError what was found in the background and stops the job, such as TOPIC_MISSING
   */
  takeChanges(): AssignmentChange

  /**
   * Whether this process may still claim what it owns, asked before claiming *again*: a process that was stopped
   * for a while and claims unconditionally would fence the rightful owner.
   */
  confirm(): Promise<boolean>

  /** Leaves. Never throws. */
  stop(): Promise<void>
}

export interface AssignmentChange {
  readonly gained: readonly TopicPartition[]
  readonly lost: readonly TopicPartition[]
}
