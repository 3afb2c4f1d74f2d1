import type { TopicPartition } from './topic-partition.ts'

/**
 * The right to commit one partition's ranges, as written in `oncesink_offsets` by the claim.
 *
 * Both `epoch` and `claimId` are compared by every commit: after a database lost acknowledged transactions an
 * epoch can repeat, a random claim id cannot.
 */
export interface Claim extends TopicPartition {
  /** Fencing epoch: raised by one by every claim of this partition. */
  readonly epoch: bigint
  /** Random UUID of the claim. */
  readonly claimId: string
  /** Raised by operator acts that move the position (reset, accept-loss, rebuild); part of the ledger's key. */
  readonly incarnation: number
  /** Where reading resumes: the first offset that is not committed yet. */
  readonly nextOffset: bigint
  /** Number of batches committed for this partition since its start row was written. */
  readonly seq: bigint
  /** Leader epoch of the last committed record batch, or -1 when nothing was committed yet. */
  readonly leaderEpoch: number
  /** Kafka's id of the topic that the position belongs to. */
  readonly topicId: string
}
