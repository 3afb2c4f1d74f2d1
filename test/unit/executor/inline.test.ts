import { describe, expect, test } from 'vitest'
import type { BatchPlan, PartitionResult } from '../../../src/executor/executor.ts'
import { createInlineExecutor } from '../../../src/executor/inline.ts'
import type { PartitionTask } from '../../../src/executor/partition-task.ts'
import type { FaultPoint } from '../../../src/runtime/fault-points.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import type { FetchedRange, SeekPosition, Source } from '../../../src/source/source.ts'
import { jsonRecords, rangeOf } from './ranges.ts'

const plan: BatchPlan = { maxRecords: 100, maxWaitMs: 0, includeEmptyRanges: false, order: 'fair' }
const never = new AbortController().signal

function resultOf({ range, records, bytes, leaderEpoch }: FetchedRange): PartitionResult {
  return {
    range,
    records,
    deadLetters: [],
    digest: null,
    lastOffset: range.until - 1n,
    bytes,
    leaderEpoch,
    computeMs: 0,
    partials: [],
  }
}

const seekTo = (partition: number): SeekPosition => ({
  topic: 'orders',
  partition,
  nextOffset: 0n,
  leaderEpoch: -1,
  topicId: 'id',
})

/** An executor over ranges of partitions 0 and 1; `during` runs while a range is being computed. */
function executorOver(during: (partition: number, signal: AbortSignal) => unknown = () => {}) {
  const calls: string[] = []
  const ranges = [0, 1].map((partition) => rangeOf(jsonRecords([{}]), partition))
  const source = {
    take: async () => {
      calls.push('take')
      return ranges
    },
    seek: async (positions: readonly SeekPosition[]) => {
      calls.push(`seek ${positions.map(({ partition }) => partition)}`)
    },
    drop: () => {
      calls.push('drop')
    },
  } as unknown as Source
  const task: PartitionTask = {
    run: async (fetched, signal) => {
      calls.push(`run ${fetched.range.partition}`)
      await during(fetched.range.partition, signal)
      signal.throwIfAborted()
      return resultOf(fetched)
    },
    probe: () => null,
  }
  const faultPoints = {
    reach: async (point: FaultPoint) => {
      calls.push(point)
    },
  }
  const executor = createInlineExecutor(source, task, { ...systemRuntime, faultPoints })
  return { executor, calls, ranges }
}

const partitionsOf = (results: readonly PartitionResult[]) => results.map(({ range }) => range.partition)

describe('the inline executor', () => {
  test('takes, then computes range by range in partition order, and announces both', async () => {
    const { executor, calls, ranges } = executorOver()
    expect(await executor.compute(plan, never)).toEqual(ranges.map(resultOf))
    expect(calls).toEqual(['take', 'batch.fetched', 'run 0', 'run 1', 'batch.computed'])
  })

  test('seeks and drops at the source', async () => {
    const { executor, calls } = executorOver()
    await executor.seek([seekTo(0)])
    executor.drop([seekTo(1)])
    expect(calls).toEqual(['seek 0', 'drop'])
    expect(partitionsOf(await executor.compute(plan, never))).toEqual([0, 1])
  })

  test('discards everything when all partitions are sought meanwhile', async () => {
    const { executor } = executorOver((partition) => partition === 1 && executor.seek([seekTo(0), seekTo(1)]))
    expect(await executor.compute(plan, never)).toEqual([])
  })

  test('discards the partitions that are dropped meanwhile, computed or not, and keeps the others', async () => {
    const later = executorOver((partition) => partition === 1 && later.executor.drop([seekTo(0)]))
    expect(partitionsOf(await later.executor.compute(plan, never))).toEqual([1])
    const earlier = executorOver((partition) => partition === 0 && earlier.executor.drop([seekTo(1)]))
    expect(partitionsOf(await earlier.executor.compute(plan, never))).toEqual([0])
    expect(earlier.calls).not.toContain('run 1')
  })

  test('abandons the range at hand when its partition is sought', async () => {
    let abandoned = false
    const { executor } = executorOver(async (partition, signal) => {
      if (partition !== 0) return
      await executor.seek([seekTo(0)])
      abandoned = signal.aborted
    })
    expect(partitionsOf(await executor.compute(plan, never))).toEqual([1])
    expect(abandoned).toBe(true)
  })

  test('an error of a range that is stale by then is not told; of any other it is', async () => {
    const stale = executorOver((partition) => {
      if (partition !== 0) return
      stale.executor.drop([seekTo(0)])
      throw new Error('stale')
    })
    expect(partitionsOf(await stale.executor.compute(plan, never))).toEqual([1])
    const fresh = executorOver(() => {
      throw new Error('fresh')
    })
    await expect(fresh.executor.compute(plan, never)).rejects.toThrow('fresh')
  })

  test('computes what was taken although its own signal is aborted, so that no record is skipped', async () => {
    const stop = new AbortController()
    const { executor } = executorOver(() => stop.abort())
    expect(partitionsOf(await executor.compute(plan, stop.signal))).toEqual([0, 1])
  })
})
