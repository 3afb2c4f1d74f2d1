import type { OncesinkError } from '../../errors.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'
import type { PartitionProgress } from '../source.ts'
import { PartitionBuffer } from './partition-buffer.ts'

/**
 * One partition that is being read.
 *
 * States: `checking` (its position is being compared with the log; nothing is fetched) -> `reading` -> (trouble: an
 * error of its leader, another leader epoch) -> `checking` -> ...; from either to `failed`, and from all of them to
 * `dropped` when a seek or a drop replaces or removes it, which is final.
 */
export class ReadPartition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly topicId: string
  readonly buffer: PartitionBuffer
  state: 'checking' | 'reading' | 'failed' | 'dropped' = 'checking'
  /** Raised by every seek, drop, and change of leader; an answer to a fetch with an older one is refused. */
  seekCounter: number
  /** Node id and epoch of the leader, as of the last metadata that was newer than what was known. */
  leader = -1
  leaderEpoch = -1
  /** End of the log for the isolation level, as of the last answer; the position until there was one. */
  endOffset: bigint
  /** When it last brought records, or began to wait for them, as {@link Reader.answers}; those that waited longest go first. */
  servedAt = 0
  /** Whether the last fetch found nothing because there was nothing: it waits at the end of the log for records. */
  atEnd = false
  /**
   * Largest record batch of the last answer that had one, in bytes; more where less was asked for in vain since. 0 until
   * there was one.
   */
  batchBytes = 0
  /** Whether its position is being compared with the log right now. */
  beingChecked = false
  /** When a metadata answer first did not have the partition, by the monotonic clock; null while they have it. */
  missingSinceMs: number | null = null

  #reservedBytes = 0
  #failure: OncesinkError | null = null

  constructor(
    where: TopicPartition,
    topicId: string,
    position: number,
    leaderEpoch: number,
    seekCounter: number,
  ) {
    this.topic = where.topic
    this.partition = where.partition
    this.topicId = topicId
    this.buffer = new PartitionBuffer(where, position, leaderEpoch)
    this.endOffset = BigInt(position)
    this.seekCounter = seekCounter
  }

  /** Memory that it holds or may soon hold. */
  get claimedBytes(): number {
    return this.buffer.bytes + this.#reservedBytes
  }

  /** Counts bytes that a fetch may bring, until {@link release}. */
  reserve(bytes: number): void {
    this.#reservedBytes += bytes
  }

  /** @param seekCounter that of the fetch; what one has reserved that was superseded since is released already */
  release(bytes: number, seekCounter: number): void {
    if (seekCounter === this.seekCounter) this.#reservedBytes -= bytes
  }

  /** @param error why it cannot be read on; the first one counts */
  fail(error: OncesinkError): void {
    this.#failure ??= error
    if (this.state !== 'dropped') this.state = 'failed'
  }

  /**
   * The error with which reading stops, or null. Records that were fetched before retention passed the position of
   * the next fetch are good, and are handed out first: they could not be had again.
   */
  get stopError(): OncesinkError | null {
    if (this.#failure?.code === 'OFFSET_OUT_OF_RANGE' && this.buffer.records > 0) return null
    return this.#failure
  }

  /**
   * Refuses what fetches under way bring, and keeps what is buffered. It does not wait for them: the leader that
   * they were sent to may have stopped answering.
   */
  supersede(seekCounter: number): void {
    this.seekCounter = seekCounter
    this.#reservedBytes = 0
    this.state = 'checking'
  }

  progress(): PartitionProgress {
    const { topic, partition, endOffset, buffer } = this
    const position = BigInt(buffer.position)
    return {
      topic,
      partition,
      position,
      endOffset: endOffset > position ? endOffset : position,
      bufferedBytes: buffer.bytes,
      bufferedRecords: buffer.records,
    }
  }
}
