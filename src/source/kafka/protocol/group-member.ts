import type { WireWriter } from './wire.ts'

/** A member of a group as of a generation. */
export interface GroupMember {
  readonly group: string
  readonly generation: number
  readonly memberId: string
  /** The static member id, or null for a dynamic member. */
  readonly instanceId: string | null
}

/** The fields with which a member says who it is. */
export function writeMember(body: WireWriter, member: GroupMember): WireWriter {
  return body
    .string(member.group)
    .int32(member.generation)
    .string(member.memberId)
    .nullableString(member.instanceId)
}
