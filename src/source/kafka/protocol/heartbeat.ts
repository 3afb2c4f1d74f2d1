import type { WireRequest } from '../kafkajs.ts'
import { type GroupMember, writeMember } from './group-member.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

const heartbeatApi: Api = { key: 12, version: 3, name: 'Heartbeat' }

/**
 * Says that the member lives; the answer is an error code, which also says that a rebalance has begun.
 * @param requestTimeoutMs how long the answer may take, in milliseconds: well below the session's timeout
 */
export function heartbeatRequest(member: GroupMember, requestTimeoutMs: number): WireRequest<number> {
  return wireRequest(heartbeatApi, writeMember(new WireWriter(), member), decode, requestTimeoutMs)
}

function decode(reader: WireReader) {
  const throttleMs = reader.int32()
  return { value: reader.int16(), throttleMs }
}
