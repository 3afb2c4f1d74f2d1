import type { WireRequest } from '../kafkajs.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

/** Version 5 is the first with static members (KIP-345). */
const joinGroupApi: Api = { key: 11, version: 5, name: 'JoinGroup' }

/** How consumers are told from other users of the group protocol; Kafka's tools show what it is that they do. */
const protocolType = 'consumer'

/** How long the answer may be on its way, in milliseconds, beyond what the broker may wait for members. */
export const joinSlackMs = 5_000

export interface JoinGroup {
  readonly group: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** Empty until the coordinator has given one. */
  readonly memberId: string
  /** The static member id, or null for a dynamic member. */
  readonly instanceId: string | null
  /** All members must have one in common. */
  readonly protocol: string
  /** What the leader gets to see of this member. */
  readonly metadata: Buffer
}

export interface JoinedGroup {
  readonly errorCode: number
  readonly generation: number
  readonly leaderId: string
  readonly memberId: string
  /** All members, for the leader only. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[]
}

/** Joins a group or joins it again; answered when every known member has, or `rebalanceTimeoutMs` has passed. */
export function joinGroupRequest(join: JoinGroup): WireRequest<JoinedGroup> {
  const body = new WireWriter()
    .string(join.group)
    .int32(join.sessionTimeoutMs)
    .int32(join.rebalanceTimeoutMs)
    .string(join.memberId)
    .nullableString(join.instanceId)
    .string(protocolType)
  body.array([join], ({ protocol, metadata }) => {
    body.string(protocol).sizedBytes(metadata)
  })
  return wireRequest<JoinedGroup>(joinGroupApi, body, decode, join.rebalanceTimeoutMs + joinSlackMs)
}

function decode(reader: WireReader) {
  const throttleMs = reader.int32()
  const errorCode = reader.int16()
  const generation = reader.int32()
  // The protocol: there is only one.
  reader.string()
  const leaderId = reader.string()
  const memberId = reader.string()
  const members = reader.array(() => {
    const member = reader.string()
    reader.nullableString()
    return { memberId: member, metadata: reader.sizedBytes() }
  })
  return { value: { errorCode, generation, leaderId, memberId, members }, throttleMs }
}
