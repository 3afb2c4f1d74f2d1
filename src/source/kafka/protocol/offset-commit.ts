import type { TopicPartition } from '../../../model/topic-partition.ts'
import type { WireRequest } from '../kafkajs.ts'
import { writeByTopic } from './by-topic.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

const offsetCommitApi: Api = { key: 8, version: 6, name: 'OffsetCommit' }

export interface CommittedOffset extends TopicPartition {
  readonly errorCode: number
}

/** Who commits to a group that has members: one of them, as of the current generation. */
export interface CommittingMember {
  readonly generation: number
  readonly memberId: string
}

/** A consumer with partitions of its own choice: it may commit to groups without members only. */
const noMember: CommittingMember = { generation: -1, memberId: '' }

/** Stores next offsets for a group. */
export function offsetCommitRequest(
  group: string,
  offsets: readonly (TopicPartition & { readonly offset: bigint })[],
  { generation, memberId }: CommittingMember = noMember,
): WireRequest<CommittedOffset[]> {
  const [noLeaderEpoch, noMetadata] = [-1, '']
  const body = new WireWriter().string(group).int32(generation).string(memberId)
  writeByTopic(body, offsets, ({ partition, offset }) => {
    body.int32(partition).int64(offset).int32(noLeaderEpoch).string(noMetadata)
  })
  return wireRequest(offsetCommitApi, body, decode)
}

function decode(reader: WireReader) {
  const throttleMs = reader.int32()
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => ({ topic, partition: reader.int32(), errorCode: reader.int16() }))
  })
  return { value: topics.flat(), throttleMs }
}
