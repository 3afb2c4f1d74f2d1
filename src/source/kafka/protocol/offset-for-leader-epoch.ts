import type { TopicPartition } from '../../../model/topic-partition.ts'
import type { WireRequest } from '../kafkajs.ts'
import { writeByTopic } from './by-topic.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

export const offsetForLeaderEpochApi: Api = { key: 23, version: 3, name: 'OffsetForLeaderEpoch' }

export interface LeaderEpochQuestion extends TopicPartition {
  readonly leaderEpoch: number
}

export interface LeaderEpochEnd extends TopicPartition {
  readonly errorCode: number
  /** Largest epoch up to the one asked for that the leader knows, or -1. */
  readonly leaderEpoch: number
  /** Where that epoch ends in the leader's log (exclusive), or -1 when the leader knows no such epoch. */
  readonly endOffset: bigint
}

export function offsetForLeaderEpochRequest(
  questions: readonly LeaderEpochQuestion[],
): WireRequest<LeaderEpochEnd[]> {
  const body = new WireWriter().int32(-1)
  writeByTopic(body, questions, ({ partition, leaderEpoch }) => {
    body.int32(partition).int32(-1).int32(leaderEpoch)
  })
  return wireRequest(offsetForLeaderEpochApi, body, decode)
}

function decode(reader: WireReader) {
  const throttleMs = reader.int32()
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => {
      const errorCode = reader.int16()
      const partition = reader.int32()
      const leaderEpoch = reader.int32()
      const endOffset = reader.int64()
      return { topic, partition, errorCode, leaderEpoch, endOffset }
    })
  })
  return { value: topics.flat(), throttleMs }
}
