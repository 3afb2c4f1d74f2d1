import type { TopicPartition } from '../../../model/topic-partition.ts'
import type { WireRequest } from '../kafkajs.ts'
import { writeByTopic } from './by-topic.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

const offsetFetchApi: Api = { key: 9, version: 5, name: 'OffsetFetch' }

export interface FetchedOffsets {
  readonly errorCode: number
  readonly offsets: readonly (TopicPartition & {
    readonly errorCode: number
    /** -1 when the group has none. */
    readonly offset: bigint
  })[]
}

/** Asks for the next offsets that a group has stored. */
export function offsetFetchRequest(
  group: string,
  partitions: readonly TopicPartition[],
): WireRequest<FetchedOffsets> {
  const body = new WireWriter().string(group)
  writeByTopic(body, partitions, ({ partition }) => {
    body.int32(partition)
  })
  return wireRequest<FetchedOffsets>(offsetFetchApi, body, decode)
}

function decode(reader: WireReader) {
  const throttleMs = reader.int32()
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => {
      const partition = reader.int32()
      const offset = reader.int64()
      reader.int32()
      reader.string()
      return { topic, partition, offset, errorCode: reader.int16() }
    })
  })
  return { value: { offsets: topics.flat(), errorCode: reader.int16() }, throttleMs }
}
