import type { WireRequest } from '../kafkajs.ts'
import type { GroupMember } from './group-member.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

const leaveGroupApi: Api = { key: 13, version: 3, name: 'LeaveGroup' }

/** Leaves, so that the others need not wait for the end of the session; a static member too. */
export function leaveGroupRequest({ group, memberId, instanceId }: GroupMember): WireRequest<number> {
  const body = new WireWriter().string(group)
  body.array([memberId], (id) => {
    body.string(id).nullableString(instanceId)
  })
  return wireRequest(leaveGroupApi, body, decode)
}

function decode(reader: WireReader) {
  const throttleMs = reader.int32()
  return { value: reader.int16(), throttleMs }
}
