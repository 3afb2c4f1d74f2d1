import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/runtime/clock.ts'
import { Brokers } from '../../src/source/kafka/brokers.ts'
import { kafka } from '../../src/source/kafka/options.ts'
import { metadataRequest } from '../../src/source/kafka/protocol/metadata.ts'
import { type WireReader, WireWriter, wireRequest } from '../../src/source/kafka/protocol/wire.ts'
import { encodeBatch } from './record-batches.ts'

/** UNKNOWN_TOPIC_OR_PARTITION and NOT_LEADER_OR_FOLLOWER, as a broker says that has just heard of a topic, or not yet. */
const notYet = [3, 6]
const produceApi = { key: 0, version: 7, name: 'Produce' }
/** Record batches in one request; the broker takes a megabyte of them. */
const MAX_REQUEST_BYTES = 900_000

/** Values of a record batch that is sent `times` times to `partition`. */
export interface RepeatedBatch {
  readonly partition: number
  readonly values: readonly string[]
  readonly times: number
  /** Codec of the batch and how to compress with it. Default: none. */
  readonly compression?: { readonly codec: number; readonly compress: (bytes: Buffer) => Uint8Array }
}

/**
 * Fills a topic with the same record batches again and again, in turns. A broker numbers what it is sent, and the
 * checksum does not cover the number: a batch is encoded once, and millions of records take seconds.
 */
export async function produceRepeated(
  brokerList: readonly string[],
  topic: string,
  batches: readonly RepeatedBatch[],
): Promise<void> {
  const { brokers, leaderOf } = await connect(brokerList, topic)
  try {
    const encoded = batches.map(({ partition, values, times, compression }) => {
      const leader = leaderOf(partition)
      const records = values.map((value, offset) => ({ offset, value, timestampMs: 1_767_268_800_000 }))
      const bytes = encodeBatch({ records, leaderEpoch: -1, ...compression })
      return { leader, times, request: produceRequest(topic, partition, bytes) }
    })
    const rounds = Math.max(...encoded.map(({ times }) => times))
    for (let round = 0; round < rounds; round += 1) {
      for (const { leader, times, request } of encoded) {
        if (round < times) await sendToLeader(brokers, leader, request)
      }
    }
  } finally {
    brokers.close()
  }
}

/** Sends record batches one by one. */
export interface RawProducer {
  /** One batch, whose records have this timestamp (milliseconds since 1970); batches of a partition keep their order. */
  send(partition: number, values: readonly string[], timestampMs: number): Promise<void>
  close(): void
}

export async function openRawProducer(brokerList: readonly string[], topic: string): Promise<RawProducer> {
  const { brokers, leaderOf } = await connect(brokerList, topic)
  return {
    send: async (partition, values, timestampMs) => {
      const records = values.map((value, offset) => ({ offset, value, timestampMs }))
      const bytes = encodeBatch({ records, leaderEpoch: -1 })
      await sendToLeader(brokers, leaderOf(partition), produceRequest(topic, partition, bytes))
    },
    close: () => brokers.close(),
  }
}

/** Leaders that have not heard yet that they lead a new topic have written nothing: they are asked again. */
async function sendToLeader(
  brokers: Brokers,
  leader: number,
  request: ReturnType<typeof produceRequest>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const problem = await brokers.sendTo(leader, request)
    if (problem === null) return
    if (!notYet.includes(problem.errorCode) || attempt === 50) {
      throw new Error(`${problem.topic}/${problem.partition} refuses a batch with error ${problem.errorCode}`)
    }
    await sleep(100)
  }
}

async function connect(brokerList: readonly string[], topic: string) {
  const brokers = new Brokers(kafka({ brokers: [...brokerList], topics: [topic] }), systemClock)
  try {
    const metadata = await brokers.sendToAny(metadataRequest([topic]))
    brokers.update(metadata.brokers)
    const partitions = metadata.topics.find((known) => known.topic === topic)?.partitions ?? []
    const leaderOf = (partition: number) => {
      const leader = partitions.find((known) => known.partition === partition)?.leader
      if (leader === undefined) throw new Error(`${topic} has no partition ${partition}`)
      return leader
    }
    return { brokers, leaderOf }
  } catch (error) {
    brokers.close()
    throw error
  }
}

/** One record batch, which the leader acknowledges once all replicas have it. */
function produceRequest(topic: string, partition: number, batch: Buffer) {
  if (batch.length > MAX_REQUEST_BYTES) throw new Error(`a batch of ${batch.length} bytes is too large`)
  const [allReplicas, timeoutMs] = [-1, 30_000]
  const body = new WireWriter().nullableString(null).int16(allReplicas).int32(timeoutMs)
  body.array([topic], (name) => {
    body.string(name).array([partition], (number) => body.int32(number).sizedBytes(batch))
  })
  return wireRequest(produceApi, body, decode)
}

/** @returns what was wrong, or null */
function decode(reader: WireReader) {
  let value: Problem | null = null
  reader.array(() => {
    const topic = reader.string()
    reader.array(() => {
      const partition = reader.int32()
      const errorCode = reader.int16()
      if (errorCode !== 0) value = { topic, partition, errorCode }
      for (const _offsetTimeAndLogStart of [1, 2, 3]) reader.int64()
    })
  })
  return { value: value as Problem | null, throttleMs: reader.int32() }
}

interface Problem {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
}
