import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../src/model/topic-partition.ts'
import type { Membership } from '../../src/source/membership.ts'
import { segmentFromRecords } from '../../src/source/record-segment.ts'
import type { FetchedRange, SeekPosition, Source, TakeLimits } from '../../src/source/source.ts'
import type { Host } from './world.ts'

/** A log that is complete from the beginning: per partition the value of each offset; null is a control record. */
export type SimulatedLog = readonly (readonly (string | null)[])[]

/** A source over a fixed log, with random delays and random cuts. Topic `t`, partitions from 0. */
export function simulatedSource(host: Host, log: SimulatedLog): Source {
  const positions = new Map<string, number>()
  const { dice } = host.world
  const partitionLog = (tp: TopicPartition) => log[tp.partition] ?? []
  const takeFrom = (tp: TopicPartition, limits: TakeLimits, budget: number): FetchedRange | null => {
    const key = topicPartitionKey(tp)
    const from = positions.get(key)
    if (from === undefined) return null
    const bound = Math.min(partitionLog(tp).length, Number(limits.until?.get(key) ?? Number.MAX_SAFE_INTEGER))
    const most = Math.min(budget, limits.maxRecordsOf?.get(key) ?? budget)
    const wanted = 1 + dice.below(Math.max(1, most))
    let until = from
    const records: { offset: number; value: string }[] = []
    while (until < bound && records.length < wanted) {
      const value = partitionLog(tp)[until]
      if (value !== null && value !== undefined) records.push({ offset: until, value })
      until += 1
    }
    if (until === from || (records.length === 0 && !limits.includeEmptyRanges)) return null
    positions.set(key, until)
    return {
      range: { ...tp, from: BigInt(from), until: BigInt(until) },
      records: records.length,
      bytes: 0,
      leaderEpoch: 0,
      slices:
        records.length === 0
          ? []
          : [{ segment: segmentFromRecords(tp.topic, tp.partition, records), begin: 0, end: records.length }],
    }
  }
  return {
    open: () => host.wait(1),
    describe: async () => {
      await host.wait(dice.fraction() * 2)
      const topic = { topic: 't', topicId: 'topic-id', partitions: log.length, byPattern: false }
      return { clusterId: 'cluster', topics: [topic] }
    },
    covers: (topic) => topic === 't',
    startOffsets: async (partitions) => partitions.map(() => 0n),
    watermarks: async (partitions) =>
      partitions.map((tp) => {
        const high = BigInt(partitionLog(tp).length)
        return { ...tp, low: 0n, high, lastStable: high }
      }),
    seek: async (targets: readonly SeekPosition[]) => {
      await host.wait(dice.fraction() * 2)
      for (const target of targets) positions.set(topicPartitionKey(target), Number(target.nextOffset))
    },
    examine: async (targets) => targets.map(() => null),
    drop: (partitions) => {
      for (const tp of partitions) positions.delete(topicPartitionKey(tp))
    },
    take: async (limits, signal) => {
      await host.wait(dice.fraction() * 10, signal)
      let budget = limits.maxRecords
      const ranges: FetchedRange[] = []
      for (const partition of log.keys()) {
        if (budget <= 0 || dice.chance(0.2)) continue
        const range = takeFrom({ topic: 't', partition }, limits, budget)
        if (!range) continue
        ranges.push(range)
        budget -= range.records
      }
      if (ranges.length === 0) await host.wait(limits.maxWaitMs, signal)
      return sortedByPartition(ranges.map((r) => ({ ...r.range, whole: r }))).map(({ whole }) => whole)
    },
    offer: () => Promise.reject(new Error('the simulated process reads in one thread')),
    mirrorOffsets: async () => {},
    groupOffsets: async (_group, partitions) => partitions.map(() => null),
    groupMembers: async () => [],
    checkGroup: async () => {},
    progress: () =>
      sortedByPartition(
        [...positions].map(([key, position]) => {
          const partition = Number(key.split('/').at(-1))
          const endOffset = BigInt(log[partition]?.length ?? 0)
          return {
            topic: 't',
            partition,
            position: BigInt(position),
            endOffset,
            bufferedBytes: 0,
            bufferedRecords: 0,
          }
        }),
      ),
    close: async () => {},
  }
}

/** All partitions, for good. */
export function simulatedMembership(log: SimulatedLog): Membership {
  return {
    isShared: false,
    member: null,
    onChange: () => () => {},
    start: async () => [...log.keys()].map((partition) => ({ topic: 't', partition })),
    takeChanges: () => ({ gained: [], lost: [] }),
    confirm: async () => true,
    stop: async () => {},
  }
}
