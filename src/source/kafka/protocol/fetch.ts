import type { TopicPartition } from '../../../model/topic-partition.ts'
import { groupBy } from '../group-by.ts'
import type { WireRequest } from '../kafkajs.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

/**
 * Version 13 is the first that names topics by id (Kafka 3.1): a topic that was deleted and created again answers
 * UNKNOWN_TOPIC_ID, where by name it would hand out its own records at the old positions.
 */
export const fetchApi: Api = { key: 1, version: 13, name: 'Fetch' }

export interface FetchLimits {
  readonly isolation: 'read_committed' | 'read_uncommitted'
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
}

export interface FetchPosition extends TopicPartition {
  readonly topicId: string
  /** Leader epoch as of the metadata, so that a leader of another epoch refuses instead of answering. */
  readonly leaderEpoch: number
  readonly fetchOffset: number
  readonly maxBytes: number
}

export interface FetchedPartition {
  readonly topicId: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: bigint
  readonly lastStableOffset: bigint
  /** Aborted transactions that overlap this response, in no useful order. */
  readonly aborted: readonly AbortedTransaction[]
  /** Record batches, the last of them perhaps cut off; a view into the response. */
  readonly recordBatches: Buffer
}

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

export interface FetchResponse {
  readonly errorCode: number
  readonly partitions: readonly FetchedPartition[]
  /** Size of the whole response, in bytes: every view into it keeps that much memory. */
  readonly bytes: number
}

/** Asks for `positions` in the order given, topics kept together: the broker fills the response in that order. */
export function fetchRequest(
  positions: readonly FetchPosition[],
  limits: FetchLimits,
): WireRequest<FetchResponse> {
  const [replicaId, noSession, noSessionEpoch, noEpoch, noLogStart] = [-1, 0, -1, -1, -1]
  const body = new WireWriter()
    .unsignedVarint(0)
    .int32(replicaId)
    .int32(limits.maxWaitMs)
    .int32(limits.minBytes)
    .int32(limits.maxBytes)
    .int8(limits.isolation === 'read_committed' ? 1 : 0)
    .int32(noSession)
    .int32(noSessionEpoch)
  const topics = groupBy(positions, (position) => position.topicId)
  body.compactArray([...topics], ([topicId, partitions]) => {
    body.uuid(topicId).compactArray(partitions, (position) => {
      body
        .int32(position.partition)
        .int32(position.leaderEpoch)
        .int64(position.fetchOffset)
        .int32(noEpoch)
        .int64(noLogStart)
        .int32(position.maxBytes)
        .unsignedVarint(0)
    })
    body.unsignedVarint(0)
  })
  body.compactArray([], () => undefined)
  body.compactString('').unsignedVarint(0)
  return wireRequest<FetchResponse>(fetchApi, body, decode)
}

function decode(reader: WireReader) {
  reader.skipTaggedFields()
  const throttleMs = reader.int32()
  const errorCode = reader.int16()
  reader.int32()
  const topics = reader.compactArray(() => {
    const topicId = reader.uuid()
    const partitions = reader.compactArray(() => decodePartition(reader, topicId))
    reader.skipTaggedFields()
    return partitions
  })
  return { value: { errorCode, partitions: topics.flat(), bytes: reader.bytes.length }, throttleMs }
}

function decodePartition(reader: WireReader, topicId: string): FetchedPartition {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  const lastStableOffset = reader.int64()
  reader.int64()
  const aborted = reader.compactArray(() => {
    const transaction = { producerId: reader.int64(), firstOffset: reader.int64() }
    reader.skipTaggedFields()
    return transaction
  })
  reader.int32()
  const recordBatches = reader.view(Math.max(reader.unsignedVarint() - 1, 0))
  reader.skipTaggedFields()
  return { topicId, partition, errorCode, highWatermark, lastStableOffset, aborted, recordBatches }
}
