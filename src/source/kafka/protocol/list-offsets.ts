import type { TopicPartition } from '../../../model/topic-partition.ts'
import type { WireRequest } from '../kafkajs.ts'
import { writeByTopic } from './by-topic.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

export const listOffsetsApi: Api = { key: 2, version: 5, name: 'ListOffsets' }

/**
 * A bound of the log: the log start offset, the high watermark, or the last stable offset (the first offset of the
 * oldest open transaction, else the high watermark).
 */
export type LogBound = 'start' | 'high' | 'last-stable'

/** Asks for the first offset with this timestamp or a later one: -1 when there is none that the isolation shows. */
export interface AtTimestamp {
  /** Milliseconds since 1970, not negative. */
  readonly timestampMs: number
  readonly isolation: 'read_committed' | 'read_uncommitted'
}

export interface ListedOffset extends TopicPartition {
  readonly errorCode: number
  readonly offset: bigint
}

const timestamps = { start: -2, high: -1, 'last-stable': -1 }

export function listOffsetsRequest(
  partitions: readonly TopicPartition[],
  bound: LogBound | AtTimestamp,
): WireRequest<ListedOffset[]> {
  const symbolic = typeof bound === 'string'
  const committed = symbolic ? bound === 'last-stable' : bound.isolation === 'read_committed'
  const timestamp = symbolic ? timestamps[bound] : bound.timestampMs
  const body = new WireWriter().int32(-1).int8(committed ? 1 : 0)
  writeByTopic(body, partitions, ({ partition }) => {
    body.int32(partition).int32(-1).int64(timestamp)
  })
  return wireRequest(listOffsetsApi, body, decode)
}

function decode(reader: WireReader) {
  const throttleMs = reader.int32()
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => {
      const partition = reader.int32()
      const errorCode = reader.int16()
      reader.int64()
      const offset = reader.int64()
      reader.int32()
      return { topic, partition, errorCode, offset }
    })
  })
  return { value: topics.flat(), throttleMs }
}
