import type { TopicPartition } from '../model/topic-partition.ts'

/**
 * Who owns which partition. The reader knows nothing of it.
 *
 * States: `stopped` -> start() -> `member` -> (assignment changes) -> stop() -> `stopped`.
 *
 * A hand-over has two phases: what others are to have is `waiting` to be released -> takeChanges() -> `released`; only
 * then does its new owner gain it. So as long as the driver has a batch in flight, it keeps what the batch needs.
 */
export interface Membership {
  /**
   * Whether partitions come and go among several processes of the job. If so, a claim of somebody else means that
   * these partitions were lost. If not, it means that this whole process was replaced.
   */
  readonly isShared: boolean

  /** The name of this process among those that share the job; null where none do. Known once start() has resolved. */
  readonly member: string | null

  /**
   * Joins, and resolves with the partitions that this process owns from now on: perhaps none yet, because others
   * have to release them first, or because there are more members than partitions.
   * @param stop aborted to give it up: others may have to be waited for
   * @throws OncesinkError SOURCE_UNAVAILABLE when it may be tried again, or was given up; what stops the job otherwise
   */
  start(stop?: AbortSignal): Promise<readonly TopicPartition[]>

  /**
   * What has changed since it was last asked, without waiting. Lost partitions are released when it returns, and may
   * have another owner at any time: it is called only while no batch is in flight that has them, and whatever
   * is buffered or computed of them must not be committed any more. Gained ones must be claimed before they are read.
   * A partition that is lost and gained in between is in both lists, and must be claimed again.
   * @throws OncesinkError what was found in the background and stops the job, such as TOPIC_MISSING
   */
  takeChanges(): AssignmentChange

  /**
   * Calls `listener` whenever {@link takeChanges} has something to return or to throw that it had not before, so that
   * nobody waits for records meanwhile. Called from the background, never by a method of this object.
   * @returns removes the listener
   */
  onChange(listener: () => void): () => void

  /**
   * Asks now whether this process still is what it was: to be called before claiming, because a process that was
   * stopped for a while and claims unconditionally would fence the rightful owner.
   * @returns false when it owns nothing any more of what it had: takeChanges() says so, and has what it was given since
   * @throws OncesinkError SOURCE_UNAVAILABLE when nobody answers; what stops the job otherwise
   */
  confirm(): Promise<boolean>

  /** Leaves, and releases everything. Never throws. */
  stop(): Promise<void>
}

export interface AssignmentChange {
  readonly gained: readonly TopicPartition[]
  readonly lost: readonly TopicPartition[]
}
