import type { WireRequest } from '../kafkajs.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

/** Version 12 is the first that names topics by id in both directions (Kafka 3.1); kafkajs stops at 6. */
export const metadataApi: Api = { key: 3, version: 12, name: 'Metadata' }

export interface ClusterMetadata {
  readonly clusterId: string | null
  readonly brokers: readonly BrokerAddress[]
  readonly topics: readonly TopicMetadata[]
}

export interface BrokerAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

export interface TopicMetadata {
  readonly errorCode: number
  readonly topic: string
  /** A UUID with dashes. */
  readonly topicId: string
  /** Whether it is one of Kafka's own, such as `__consumer_offsets`. */
  readonly isInternal: boolean
  readonly partitions: readonly PartitionMetadata[]
}

export interface PartitionMetadata {
  readonly errorCode: number
  readonly partition: number
  /** Node id, or -1 while there is no leader. */
  readonly leader: number
  readonly leaderEpoch: number
}

/** Asks for the brokers and for exactly these topics, or (null) for all that this client may see; none is created. */
export function metadataRequest(topics: readonly string[] | null): WireRequest<ClusterMetadata> {
  const body = new WireWriter().unsignedVarint(0).unsignedVarint(topics === null ? 0 : topics.length + 1)
  for (const topic of topics ?? []) body.bytes(Buffer.alloc(16)).compactString(topic).unsignedVarint(0)
  const [autoCreation, authorizedOperations] = [0, 0]
  body.int8(autoCreation).int8(authorizedOperations).unsignedVarint(0)
  return wireRequest<ClusterMetadata>(metadataApi, body, decode)
}

function decode(reader: WireReader) {
  reader.skipTaggedFields()
  const throttleMs = reader.int32()
  const brokers = reader.compactArray(() => {
    const nodeId = reader.int32()
    const host = reader.compactString() ?? ''
    const port = reader.int32()
    reader.compactString()
    reader.skipTaggedFields()
    return { nodeId, host, port }
  })
  const clusterId = reader.compactString()
  reader.int32()
  const topics = reader.compactArray(() => decodeTopic(reader))
  return { value: { clusterId, brokers, topics }, throttleMs }
}

function decodeTopic(reader: WireReader): TopicMetadata {
  const errorCode = reader.int16()
  const topic = reader.compactString() ?? ''
  const topicId = reader.uuid()
  const isInternal = reader.boolean()
  const partitions = reader.compactArray(() => {
    const partition = {
      errorCode: reader.int16(),
      partition: reader.int32(),
      leader: reader.int32(),
      leaderEpoch: reader.int32(),
    }
    for (const _replicasInSyncOffline of [1, 2, 3]) reader.compactArray(() => reader.int32())
    reader.skipTaggedFields()
    return partition
  })
  reader.int32()
  reader.skipTaggedFields()
  return { errorCode, topic, topicId, isInternal, partitions }
}
