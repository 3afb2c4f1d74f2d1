import { setMaxListeners } from 'node:events'
import { vi } from 'vitest'
import type { Clock } from '../../src/runtime/clock.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import type { WireRequest } from '../../src/source/kafka/kafkajs.ts'
import { type KafkaOptions, kafka } from '../../src/source/kafka/options.ts'
import type { FetchedPartition, FetchResponse } from '../../src/source/kafka/protocol/fetch.ts'
import { WireReader } from '../../src/source/kafka/protocol/wire.ts'
import { ReadPartition } from '../../src/source/kafka/read-partition.ts'
import { Reader } from '../../src/source/kafka/reader.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { encodeBatch } from './record-batches.ts'

export const topicId = '00000000-0000-0000-0000-00000000000a'

/** A fetch that reached the fake leader and waits for its answer. */
export interface AskedFetch {
  readonly lane: 'waiting' | 'express'
  readonly maxWaitMs: number
  /** Of the whole response. */
  readonly maxBytes: number
  readonly partitions: readonly {
    partition: number
    leaderEpoch: number
    fetchOffset: number
    maxBytes: number
  }[]
  /** @param bytes size of the whole response */
  answer(partitions: readonly Partial<FetchedPartition>[], errorCode?: number, bytes?: number): void
  fail(error: Error): void
}

export interface FakeLeader {
  readonly reader: Reader
  readonly events: EventBus<JobEvents>
  /** Fetches that were sent, oldest first. */
  readonly fetches: AskedFetch[]
  /** A partition that node 1 leads, being read from `offset`. */
  partition(partition: number, offset?: number): ReadPartition
}

/** A reader whose brokers are the test itself. */
export function fakeLeader(
  options: Partial<KafkaOptions> = {},
  maxBufferedBytes = 1_000_000,
  clock: Clock = systemRuntime.clock,
): FakeLeader {
  const events = new EventBus<JobEvents>()
  const plan = kafka({ brokers: ['localhost:1'], topics: ['t'], ...options })
  const reader = new Reader(plan, { ...systemRuntime, clock }, events, maxBufferedBytes)
  const fetches: AskedFetch[] = []
  // Every fetch that was ever sent listens for the end.
  setMaxListeners(0, reader.closed)
  const send = (lane: AskedFetch['lane']) => async (_: number, request: WireRequest<FetchResponse>) => {
    const asked = decodeFetch((await request.request.encode()).buf)
    return new Promise<FetchResponse>((resolve, reject) => {
      reader.closed.addEventListener('abort', () => reject(new Error('closed')))
      const answer = (partitions: readonly Partial<FetchedPartition>[], errorCode = 0, bytes = 1000) =>
        resolve({ errorCode, bytes, partitions: partitions.map((p) => ({ ...nothing, ...p })) })
      fetches.push({ lane, ...asked, answer, fail: reject })
    })
  }
  vi.spyOn(reader.brokers, 'sendWaiting').mockImplementation(
    send('waiting') as typeof reader.brokers.sendWaiting,
  )
  vi.spyOn(reader.brokers, 'sendTo').mockImplementation(send('express') as typeof reader.brokers.sendTo)
  return {
    reader,
    events,
    fetches,
    partition(partition, offset = 0) {
      const read = new ReadPartition({ topic: 't', partition }, topicId, offset, 3, reader.nextSeekCounter())
      read.leader = 1
      read.leaderEpoch = 5
      read.state = 'reading'
      reader.partitions.set(`t/${partition}`, read)
      return read
    },
  }
}

const nothing: FetchedPartition = {
  topicId,
  partition: 0,
  errorCode: 0,
  highWatermark: 0n,
  lastStableOffset: 0n,
  aborted: [],
  recordBatches: Buffer.alloc(0),
}

/** One record batch with `count` records from `offset` on. */
export function recordsAt(offset: number, count = 1, leaderEpoch = 5): { readonly recordBatches: Buffer } {
  const records = Array.from({ length: count }, (_, i) => ({ offset: offset + i, value: 'v' }))
  return { recordBatches: encodeBatch({ records, leaderEpoch }) }
}

function decodeFetch(bytes: Buffer) {
  const reader = new WireReader(bytes)
  reader.skipTaggedFields()
  reader.int32()
  const maxWaitMs = reader.int32()
  reader.int32()
  const maxBytes = reader.int32()
  reader.view(1 + 4 + 4)
  const topics = reader.compactArray(() => {
    reader.uuid()
    const partitions = reader.compactArray(() => {
      const [partition, leaderEpoch, fetchOffset] = [reader.int32(), reader.int32(), Number(reader.int64())]
      reader.view(4 + 8)
      const maxBytes = reader.int32()
      reader.skipTaggedFields()
      return { partition, leaderEpoch, fetchOffset, maxBytes }
    })
    reader.skipTaggedFields()
    return partitions
  })
  return { maxWaitMs, maxBytes, partitions: topics.flat() }
}
