import Decoder from 'kafkajs/src/protocol/decoder.js'
import encodeRequest from 'kafkajs/src/protocol/requests/fetch/v11/request.js'
import type { TopicPartition } from '../../../model/topic-partition.ts'
import { groupBy } from '../group-by.ts'
import type { WireRequest } from '../kafkajs.ts'

/** Where a partition is read on. */
export interface Ask extends TopicPartition {
  readonly leaderEpoch: number
  readonly position: number
}

export interface AskLimits {
  readonly isolation: 'read_committed' | 'read_uncommitted'
  readonly maxWaitMs: number
  readonly maxBytesPerPartition: number
  readonly maxBytes: number
}

/** One partition's part of a response. */
export interface Fetched extends TopicPartition {
  readonly errorCode: number
  readonly aborted: readonly AbortedTransaction[]
  /** Record batches, the last of them perhaps cut off; a copy. */
  readonly batches: Buffer
}

export interface AbortedTransaction {
  /** As kafkajs writes it in a record batch. */
  readonly producerId: string
  readonly firstOffset: number
}

/**
 * A fetch as kafkajs sends it (version 11, which names topics by name), its answer read by kafkajs' own decoder. What kafkajs
 * makes of a whole answer is not used: it leaves out record batches without records, which compaction leaves behind, and
 * nobody would know where to read on.
 */
export function fetchRequest(asks: readonly Ask[], limits: AskLimits): WireRequest<Fetched[]> {
  const topics = [...groupBy(asks, ({ topic }) => topic)].map(([topic, partitions]) => ({
    topic,
    partitions: partitions.map(({ partition, leaderEpoch, position }) => ({
      partition,
      currentLeaderEpoch: leaderEpoch,
      fetchOffset: BigInt(position),
      maxBytes: limits.maxBytesPerPartition,
    })),
  }))
  const request = encodeRequest({
    replicaId: -1,
    maxWaitTime: limits.maxWaitMs,
    minBytes: 1,
    maxBytes: limits.maxBytes,
    isolationLevel: limits.isolation === 'read_committed' ? 1 : 0,
    topics,
  })
  return {
    request,
    response: {
      // Inside of a promise, so that an answer that is none fails this request.
      decode: (raw) => Promise.resolve(new Decoder(raw)).then(decodeResponse),
      parse: ({ value }) => Promise.resolve(value),
    },
  }
}

function decodeResponse(decoder: Decoder) {
  const clientSideThrottleTime = decoder.readInt32()
  const errorCode = decoder.readInt16()
  decoder.readInt32()
  const parts = decoder.readArray(() => {
    const topic = decoder.readString() ?? ''
    return decoder.readArray(() => decodePartition(decoder, topic, errorCode))
  })
  return { value: parts.flat(), clientSideThrottleTime }
}

function decodePartition(decoder: Decoder, topic: string, errorOfAll: number): Fetched {
  const partition = decoder.readInt32()
  const errorCode = decoder.readInt16()
  for (const _highWatermarkLastStableLogStart of [1, 2, 3]) decoder.readInt64()
  const aborted = decoder.readArray(() => ({
    producerId: String(decoder.readInt64()),
    firstOffset: Number(decoder.readInt64()),
  }))
  decoder.readInt32()
  const batches = Buffer.from(decoder.readBytes() ?? [])
  return { topic, partition, errorCode: errorOfAll || errorCode, aborted, batches }
}
