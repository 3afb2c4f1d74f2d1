import { createHash } from 'node:crypto'
import { sortedByPartition, type TopicPartition } from '../../../model/topic-partition.ts'
import { writeByTopic } from '../protocol/by-topic.ts'
import { WireReader, WireWriter } from '../protocol/wire.ts'

/*
 * What members tell each other by way of the coordinator. The outer form is Kafka's own (ConsumerProtocolSubscription
 * version 2, ConsumerProtocolAssignment version 0), so that Kafka's tools can show it; what only oncesink needs is in
 * the user data of both.
 */

/** The partitions of one topic that a member reads: all that it has seen, `0` to `count - 1`, or a selection. */
export interface WantedTopic {
  readonly topic: string
  readonly partitions: number | readonly number[]
}

/** What a member tells when it joins. */
export interface MemberData {
  /** What it reads, and how many partitions of it the member has seen; sorted by topic. */
  readonly wants: readonly WantedTopic[]
  /** What it owns, as of `generation`. */
  readonly owned: readonly TopicPartition[]
  /** The last generation that the member was part of; -1 for none. Who has missed one owns nothing. */
  readonly generation: number
}

/** What the leader tells each member. */
export interface AssignmentData {
  readonly partitions: readonly TopicPartition[]
  /** {@link wantsDigest} of what the leader took this member to want. */
  readonly basis: string
  /** Whether partitions wait for their old owners, so that another generation follows soon. */
  readonly isPartial: boolean
  /**
   * Whether this member is one of these. A process that was killed and comes back under its static id is given what it
   * had been assigned, and could not know otherwise that the leader waits for it to let go of more.
   */
  readonly isAwaited: boolean
}

const [subscriptionVersion, assignmentVersion] = [2, 0]
const digestBytes = 8

export function encodeMemberData({ wants, owned, generation }: MemberData): Buffer {
  const body = new WireWriter().int16(subscriptionVersion)
  body.array(wants, ({ topic }) => body.string(topic))
  body.sizedBytes(encodeWants(wants))
  writeByTopic(body, sortedByPartition(owned), ({ partition }) => body.int32(partition))
  return body.int32(generation).toBuffer()
}

/** @throws RangeError when it is no such data */
export function decodeMemberData(metadata: Buffer): MemberData {
  const reader = new WireReader(metadata)
  reader.int16()
  const topics = reader.array(() => reader.string())
  const user = new WireReader(reader.sizedBytes())
  const wants = topics.map((topic) => {
    const count = user.int32()
    return { topic, partitions: count >= 0 ? count : Array.from({ length: -count }, () => user.int32()) }
  })
  return { wants, owned: readPartitions(reader), generation: reader.int32() }
}

export function encodeAssignment({ partitions, basis, isPartial, isAwaited }: AssignmentData): Buffer {
  const body = new WireWriter().int16(assignmentVersion)
  writeByTopic(body, sortedByPartition(partitions), ({ partition }) => body.int32(partition))
  const user = new WireWriter().bytes(Buffer.from(basis, 'hex'))
  user.int8(isPartial ? 1 : 0).int8(isAwaited ? 1 : 0)
  return body.sizedBytes(user.toBuffer()).toBuffer()
}

/** Null for no assignment at all, as the coordinator hands out where the leader gave none. */
export function decodeAssignment(assignment: Buffer): AssignmentData | null {
  if (assignment.length === 0) return null
  const reader = new WireReader(assignment)
  reader.int16()
  const partitions = readPartitions(reader)
  const user = new WireReader(reader.sizedBytes())
  const basis = user.view(digestBytes).toString('hex')
  return { partitions, basis, isPartial: user.boolean(), isAwaited: user.boolean() }
}

/** Equal for those who want the same of the same topics. */
export function wantsDigest(wants: readonly WantedTopic[]): string {
  const hash = createHash('sha256')
  for (const { topic } of wants) hash.update(topic).update('\0')
  return hash.update(encodeWants(wants)).digest().subarray(0, digestBytes).toString('hex')
}

/** In the order of the topics: a count of partitions, or minus the number of selected ones and then these. */
function encodeWants(wants: readonly WantedTopic[]): Buffer {
  const user = new WireWriter()
  for (const { partitions } of wants) {
    if (typeof partitions === 'number') user.int32(partitions)
    else {
      user.int32(-partitions.length)
      for (const partition of partitions) user.int32(partition)
    }
  }
  return user.toBuffer()
}

function readPartitions(reader: WireReader): TopicPartition[] {
  return reader
    .array(() => {
      const topic = reader.string()
      return reader.array(() => ({ topic, partition: reader.int32() }))
    })
    .flat()
}

/** Every partition that is wanted, in partition order. */
export function wantedPartitions(wants: readonly WantedTopic[]): TopicPartition[] {
  return sortedByPartition(
    wants.flatMap(({ topic, partitions }) =>
      (typeof partitions === 'number' ? Array.from({ length: partitions }, (_, p) => p) : partitions).map(
        (partition) => ({ topic, partition }),
      ),
    ),
  )
}
