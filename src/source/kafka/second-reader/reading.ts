import type { TopicPartition } from '../../../model/topic-partition.ts'
import type { RecordSegment, SegmentSlice } from '../../record-segment.ts'
import type { FetchedRange, SeekPosition } from '../../source.ts'
import { AbortedTransactions } from './aborted-transactions.ts'
import { type Batch, decodeBatch, firstBatch } from './decode-batch.ts'
import type { Fetched } from './fetch.ts'

/** The batch at hand: its records from index `next` on are not taken yet; null where nobody may see them. */
interface Current {
  readonly batch: Batch
  readonly segment: RecordSegment | null
  next: number
}

/**
 * One partition that is read again. What a fetch has brought is decoded batch by batch as it is taken.
 *
 * States: `hungry` (everything that was fetched is taken) -> {@link feed} -> taken batch by batch -> `hungry`.
 */
export class Reading implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly topicId: string
  /** Node id and epoch of the leader; -1 while they are not known. */
  leader = -1
  leaderEpoch = -1
  /** The next offset to take. */
  position: number

  #fetched: Buffer | null = null
  #aborted = new AbortedTransactions([])
  #current: Current | null = null

  constructor({ topic, partition, topicId, nextOffset }: SeekPosition) {
    this.topic = topic
    this.partition = partition
    this.topicId = topicId
    this.position = Number(nextOffset)
  }

  get isHungry(): boolean {
    return this.#fetched === null && this.#current === null
  }

  /** Bytes that it holds, as fetched. */
  get heldBytes(): number {
    return (this.#fetched?.length ?? 0) + (this.#current?.batch.bytes.length ?? 0)
  }

  /** What a fetch at its position has brought. */
  feed({ batches, aborted }: Fetched): void {
    if (batches.length === 0) return
    this.#fetched = batches
    this.#aborted = new AbortedTransactions(aborted)
  }

  /**
   * Takes up to `maxRecords` records below `until`; null where nothing was fetched.
   * @throws OncesinkError RECORD_BATCH_CORRUPT
   */
  async take(maxRecords: number, until: number): Promise<FetchedRange | null> {
    const from = this.position
    const slices: SegmentSlice[] = []
    let [records, bytes, leaderEpoch] = [0, 0, -1]
    while (records < maxRecords && this.position < until) {
      this.#current ??= await this.#decodeNext()
      if (this.#current === null) break
      const { batch, segment, next } = this.#current
      const end = segment === null ? next : endOf(segment, next, next + maxRecords - records, until)
      if (segment !== null && end > next) slices.push({ segment, begin: next, end })
      records += end - next
      leaderEpoch = batch.context.partitionLeaderEpoch
      this.#current.next = end
      if (segment !== null && end < segment.count) {
        this.position = Math.min(offsetOf(segment, end), until)
      } else {
        this.position = Math.min(batch.nextOffset, until)
        if (batch.nextOffset <= until) this.#current = null
        bytes += batch.bytes.length
      }
    }
    if (this.position === from) return null
    const { topic, partition } = this
    const range = { topic, partition, from: BigInt(from), until: BigInt(this.position) }
    return { range, records, bytes, slices, leaderEpoch }
  }

  /** The next batch that ends after the position. */
  async #decodeNext(): Promise<Current | null> {
    while (this.#fetched !== null) {
      const batch = await firstBatch(this.#fetched, this)
      const rest = batch === null ? null : this.#fetched.subarray(batch.bytes.length)
      this.#fetched = rest === null || rest.length === 0 ? null : rest
      if (batch === null) return null
      const isVisible = this.#judge(batch)
      if (batch.nextOffset <= this.position) continue
      const segment = isVisible ? decodeBatch(batch, this) : null
      const next = segment === null ? 0 : endOf(segment, 0, segment.count, this.position)
      return { batch, segment, next }
    }
    return null
  }

  /** Whether its records are for anybody to see. */
  #judge({ context, firstOffset, count }: Batch): boolean {
    const { producerId, inTransaction, isControlBatch } = context
    if (isControlBatch) {
      // Compaction may have taken the marker and kept the batch, which says nothing then.
      if (count > 0) this.#aborted.end(producerId, firstOffset)
      return false
    }
    return !inTransaction || !this.#aborted.includes(producerId, firstOffset)
  }
}

function offsetOf(segment: RecordSegment, i: number): number {
  return segment.baseOffset + (segment.offsetDeltas[i] ?? 0)
}

/** The index, from `begin` to `most` at most, of the first record that is not below `until`. */
function endOf(segment: RecordSegment, begin: number, most: number, until: number): number {
  let end = begin
  while (end < most && end < segment.count && offsetOf(segment, end) < until) end++
  return end
}
