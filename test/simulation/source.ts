import { OncesinkError } from '../../src/errors.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../src/model/topic-partition.ts'
import type { FetchedRange, Source, TakeLimits } from '../../src/source/source.ts'
import type { FaultInjector, SourceOperation } from './faults.ts'
import type { Host } from './host.ts'
import { type SimulatedLog, TOPIC, TOPIC_ID } from './log.ts'
import { callThrough } from './process-faults.ts'

/** How long brokers that do not answer are waited for, in milliseconds. */
const TIMEOUT_MS = 500
/** How often somebody who waits for records looks, in milliseconds. */
const LOOK_EVERY_MS = 100

/** A source over a log, with random delays, random cuts, and brokers that are away. */
export function simulatedSource(host: Host, log: SimulatedLog, faults: FaultInjector): Source {
  const positions = new Map<string, number>()
  const { dice, world } = host

  const call = <T>(operation: SourceOperation, work: () => T | Promise<T>, signal?: AbortSignal) =>
    callThrough(host, faults, operation, async (fault): Promise<T> => {
      if (fault?.kind === 'source-slow') await host.wait(fault.ms, signal)
      if (fault?.kind === 'source-unavailable' || host.isCutOff) {
        await host.wait(TIMEOUT_MS, signal)
        throw new OncesinkError('SOURCE_UNAVAILABLE', `no broker has answered to ${operation}`)
      }
      await host.wait(dice.fraction() * 3, signal)
      return work()
    })

  const takeFrom = (tp: TopicPartition, limits: TakeLimits, budget: number): FetchedRange | null => {
    const key = topicPartitionKey(tp)
    const from = positions.get(key)
    if (from === undefined) return null
    const bound = Math.min(
      log.endAt(tp.partition, world.now),
      Number(limits.until?.get(key) ?? Number.MAX_SAFE_INTEGER),
    )
    const most = Math.min(
      budget,
      limits.maxRecordsOf?.get(key) ?? budget,
      limits.maxRecordsPerPartition ?? budget,
    )
    const wanted = 1 + dice.below(Math.max(1, most))
    let until = from
    let records = 0
    while (until < bound && records < wanted) {
      if (log.values[tp.partition]?.[until] !== null) records += 1
      until += 1
    }
    if (until === from || (records === 0 && !limits.includeEmptyRanges)) return null
    positions.set(key, until)
    const range = { ...tp, from: BigInt(from), until: BigInt(until) }
    return { range, records, bytes: 0, leaderEpoch: 0, slices: log.slices(tp.partition, from, until) }
  }

  const takeAll = (limits: TakeLimits): FetchedRange[] => {
    let budget = limits.maxRecords
    const ranges: FetchedRange[] = []
    for (const tp of sortedByPartition([...positions.keys()].map(partitionOf))) {
      if (budget <= 0 || (limits.order === 'fair' && dice.chance(0.2))) continue
      const range = takeFrom(tp, limits, budget)
      if (!range) continue
      ranges.push(range)
      budget -= range.records
    }
    return ranges
  }

  return {
    open: () => host.wait(1),
    describe: () =>
      call('describe', () => ({
        clusterId: 'cluster',
        topics: [{ topic: TOPIC, topicId: TOPIC_ID, partitions: log.partitions, byPattern: false }],
      })),
    covers: (topic) => topic === TOPIC,
    startOffsets: (partitions) => call('startOffsets', () => partitions.map(() => 0n)),
    watermarks: (partitions) =>
      call('watermarks', () =>
        partitions.map((tp) => {
          const high = BigInt(log.endAt(tp.partition, world.now))
          return { ...tp, low: 0n, high, lastStable: high }
        }),
      ),
    seek: (targets) =>
      call('seek', () => {
        for (const target of targets) positions.set(topicPartitionKey(target), Number(target.nextOffset))
      }),
    examine: async (targets) => targets.map(() => null),
    drop: (partitions) => {
      for (const tp of partitions) positions.delete(topicPartitionKey(tp))
    },
    take: (limits, signal) =>
      call(
        'take',
        async () => {
          const deadline = world.now + limits.maxWaitMs
          for (;;) {
            const ranges = takeAll(limits)
            if (ranges.length > 0 || signal.aborted || world.now >= deadline) return ranges
            await host.wait(Math.min(LOOK_EVERY_MS, deadline - world.now), signal)
          }
        },
        signal,
      ),
    offer: () => Promise.reject(new Error('the simulated process reads in one thread')),
    mirrorOffsets: async () => {},
    groupOffsets: async (_group, partitions) => partitions.map(() => null),
    groupMembers: async () => [],
    checkGroup: async () => {},
    progress: () =>
      [...positions].map(([key, position]) => ({
        ...partitionOf(key),
        position: BigInt(position),
        endOffset: BigInt(log.endAt(partitionOf(key).partition, world.now)),
        bufferedBytes: 0,
        bufferedRecords: 0,
      })),
    close: async () => {},
  }
}

function partitionOf(key: string): TopicPartition {
  return { topic: TOPIC, partition: Number(key.slice(key.indexOf('/') + 1)) }
}
