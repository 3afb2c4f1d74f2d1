import type { WireRequest } from '../kafkajs.ts'
import { type GroupMember, writeMember } from './group-member.ts'
import { joinSlackMs } from './join-group.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

const syncGroupApi: Api = { key: 14, version: 3, name: 'SyncGroup' }

export interface SyncedGroup {
  readonly errorCode: number
  /** This member's assignment, as the leader has written it; empty where it gave none. */
  readonly assignment: Buffer
}

/**
 * Hands in the assignments (the leader), and gets one's own; answered when the leader has handed them in.
 * @param rebalanceTimeoutMs how long that may take, in milliseconds
 */
export function syncGroupRequest(
  member: GroupMember,
  assignments: ReadonlyMap<string, Buffer>,
  rebalanceTimeoutMs: number,
): WireRequest<SyncedGroup> {
  const body = writeMember(new WireWriter(), member)
  body.array([...assignments], ([memberId, assignment]) => {
    body.string(memberId).sizedBytes(assignment)
  })
  return wireRequest(syncGroupApi, body, decode, rebalanceTimeoutMs + joinSlackMs)
}

function decode(reader: WireReader) {
  const throttleMs = reader.int32()
  const errorCode = reader.int16()
  return { value: { errorCode, assignment: reader.sizedBytes() }, throttleMs }
}
