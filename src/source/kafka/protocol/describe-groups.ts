import type { TopicPartition } from '../../../model/topic-partition.ts'
import type { WireRequest } from '../kafkajs.ts'
import { type Api, WireReader, WireWriter, wireRequest } from './wire.ts'

/** Version 4 is the first that tells static member ids. */
const describeGroupsApi: Api = { key: 15, version: 4, name: 'DescribeGroups' }

export interface DescribedGroup {
  readonly errorCode: number
  /** `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, or `Dead` for one that does not exist. */
  readonly state: string
  /** What its members speak; empty without members. */
  readonly protocol: string
  readonly members: readonly DescribedMember[]
}

export interface DescribedMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  /** The address that it comes from. */
  readonly host: string
  readonly partitions: readonly TopicPartition[]
}

/** Asks a group's coordinator who its members are and what they are assigned. */
export function describeGroupRequest(group: string): WireRequest<DescribedGroup> {
  const authorizedOperations = 0
  const body = new WireWriter()
  body.array([group], (name) => body.string(name)).int8(authorizedOperations)
  return wireRequest<DescribedGroup>(describeGroupsApi, body, decode)
}

function decode(reader: WireReader) {
  const throttleMs = reader.int32()
  const [value = { errorCode: 0, state: 'Dead', protocol: '', members: [] }] = reader.array(() => {
    const errorCode = reader.int16()
    // The name, which was in the request, and the kind of group.
    reader.string()
    const state = reader.string()
    reader.string()
    const protocol = reader.string()
    const members = reader.array(() => decodeMember(reader))
    reader.int32()
    return { errorCode, state, protocol, members }
  })
  return { value, throttleMs }
}

function decodeMember(reader: WireReader): DescribedMember {
  const memberId = reader.string()
  const instanceId = reader.nullableString()
  const clientId = reader.string()
  const host = reader.string()
  // What it has said when it joined.
  reader.sizedBytes()
  return { memberId, instanceId, clientId, host, partitions: assignedPartitions(reader.sizedBytes()) }
}

/** The first part of what every consumer's assignment is, whoever has made it; empty while there is none. */
function assignedPartitions(assignment: Buffer): TopicPartition[] {
  if (assignment.length === 0) return []
  const reader = new WireReader(assignment)
  reader.int16()
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => ({ topic, partition: reader.int32() }))
  })
  return topics.flat()
}
