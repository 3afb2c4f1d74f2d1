import { type TopicPartition, topicPartitionKey } from '../../src/model/topic-partition.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { ReadPartition } from '../../src/source/kafka/read-partition.ts'
import { scanRecordBatches } from '../../src/source/kafka/record-batch.ts'
import { allocate, decodeFor, offersOf, takeShares } from '../../src/source/kafka/take-records.ts'
import type { FetchedRange, Source, TakeLimits } from '../../src/source/source.ts'
import { type BatchRecord, encodeBatch } from './record-batches.ts'

/** One record batch of a log; without records it is one that nobody sees. */
export interface LoggedBatch {
  readonly records: readonly BatchRecord[]
  readonly isVisible: boolean
}

/** Batches by `topicPartitionKey`, in offset order. */
export type BufferedLog = ReadonlyMap<string, readonly LoggedBatch[]>

/**
 * A source whose whole log lies in the buffers from the moment of a seek, and which hands it out as the Kafka source
 * does: everything but the network is the real thing.
 */
export function bufferedSource(log: BufferedLog): Source {
  const reading = new Map<string, ReadPartition>()
  let turn = 0
  const open = () => [...reading.values()]

  async function take(limits: TakeLimits): Promise<FetchedRange[]> {
    const shares = allocate(open(), limits, turn++)
    await decodeFor(shares, systemClock)
    return takeShares(shares, limits.includeEmptyRanges)
  }

  async function untilSome<T>(limits: TakeLimits, signal: AbortSignal, look: () => T[] | Promise<T[]>) {
    const found = await look()
    if (found.length > 0) return found
    await systemClock.sleep(limits.maxWaitMs, signal)
    return look()
  }

  const source: Partial<Source> = {
    open: async () => {},
    close: async () => {},
    seek: async (positions) => {
      for (const position of positions) {
        const from = Number(position.nextOffset)
        const partition = new ReadPartition(position, 'id', from, -1, 1)
        for (const batch of log.get(topicPartitionKey(position)) ?? []) {
          if ((batch.records.at(-1)?.offset ?? 0) < from) continue
          const scanned = scanRecordBatches(encodeBatch({ records: batch.records }), position)
          partition.buffer.append(scanned, batch.isVisible ? scanned : [])
        }
        partition.endOffset = BigInt(partition.buffer.fetchedUntil)
        partition.state = 'reading'
        reading.set(topicPartitionKey(position), partition)
      }
    },
    drop: (partitions) => {
      for (const tp of partitions) reading.delete(topicPartitionKey(tp))
    },
    take: (limits, signal) => untilSome(limits, signal, () => take(limits)),
    offer: (limits, signal) => untilSome(limits, signal, () => offersOf(open(), limits)),
    progress: () => open().map((partition) => partition.progress()),
  }
  return source as Source
}

/** Where to seek for a partition's beginning, or another offset. */
export function positionOf({ topic, partition }: TopicPartition, nextOffset = 0n) {
  return { topic, partition, nextOffset, leaderEpoch: -1, topicId: 'id' }
}
