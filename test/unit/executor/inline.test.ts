import { describe, expect, test } from 'vitest'
import type { BatchPlan, PartitionResult } from '../../../src/executor/executor.ts'
import { createInlineExecutor } from '../../../src/executor/inline.ts'
import type { PartitionTask } from '../../../src/executor/partition-task.ts'
import type { PoisonPolicy } from '../../../src/model/dead-letter.ts'
import type { FaultPoint } from '../../../src/runtime/fault-points.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import type { FetchedRange, SeekPosition, Source } from '../../../src/source/source.ts'
import { jsonRecords, rangeOf } from './ranges.ts'

const plan: BatchPlan = { maxRecords: 100, maxWaitMs: 0, includeEmptyRanges: false, order: 'fair' }
const never = new AbortController().signal

const nothing = { kind: 'rows' as const, rows: [], metas: null }

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
    partials: [nothing],
  }
}

const seekTo = (partition: number): SeekPosition => ({
  topic: 'orders',
  partition,
  nextOffset: 0n,
  leaderEpoch: -1,
  topicId: 'id',
})

interface Options {
  readonly partitions?: number
  /** Called when a fault point is reached. */
  readonly at?: (point: FaultPoint) => void
  /** Whether ranges have to be run one by one. */
  readonly oneByOne?: boolean
  readonly poison?: PoisonPolicy
}

/** An executor over ranges of partitions 0 and 1, or more; `during` runs while a range is being computed. */
function executorOver(
  during: (partition: number, signal: AbortSignal) => unknown = () => {},
  { partitions = 2, at = () => {}, oneByOne = false, poison }: Options = {},
) {
  const calls: string[] = []
  const ranges = Array.from({ length: partitions }, (_, partition) => rangeOf(jsonRecords([{}]), partition))
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
    runAsOne: async (all, signal) => {
      calls.push(`run as one ${all.map(({ range }) => range.partition)}`)
      if (oneByOne) return null
      for (const { range } of all) {
        await during(range.partition, signal)
        signal.throwIfAborted()
      }
      return all.map((range, i) => ({ ...resultOf(range), partials: i === 0 ? [nothing] : [] }))
    },
    probe: () => null,
  }
  const faultPoints = {
    reach: async (point: FaultPoint) => {
      calls.push(point)
      at(point)
    },
  }
  const executor = createInlineExecutor(source, task, { ...systemRuntime, faultPoints }, poison)
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

describe('the inline executor, where ranges may be added up as one', () => {
  const joined: BatchPlan = { ...plan, joinRanges: true }

  test('takes, then computes all of them together', async () => {
    const { executor, calls } = executorOver()
    const results = await executor.compute(joined, never)
    expect(results.map(({ partials }) => partials.length)).toEqual([1, 0])
    expect(calls).toEqual(['take', 'batch.fetched', 'run as one 0,1', 'batch.computed'])
  })

  test('computes them one by one where they have to be', async () => {
    const { executor, calls, ranges } = executorOver(() => {}, { oneByOne: true })
    expect(await executor.compute(joined, never)).toEqual(ranges.map(resultOf))
    expect(calls.slice(2)).toEqual(['run as one 0,1', 'run 0', 'run 1', 'batch.computed'])
  })

  test('computes a single one as any other, and one by one what leaves a condemned record out', async () => {
    const one = executorOver(() => {}, { partitions: 1 })
    await one.executor.compute(joined, never)
    expect(one.calls).toContain('run 0')
    const cause = { code: 'ROWS_REJECTED', stage: 'sink', message: 'no', stack: null } as const
    const condemned = [{ topic: 'orders', partition: 1, offset: 0n, cause }]
    const poison = { kind: 'deadLetter', maxPerBatch: 9, maxPerWindow: 9, windowMs: 9 } as const
    const { executor, calls } = executorOver(() => {}, { poison })
    const results = await executor.compute({ ...joined, condemned }, never)
    expect(calls.slice(2)).toEqual(['run 0', 'run 1', 'batch.computed'])
    expect(results.map(({ deadLetters }) => deadLetters.length)).toEqual([0, 1])
  })

  test.each([0, 2])('begins again without what is dropped meanwhile: partition %d', async (dropped) => {
    let abandoned = false
    const { executor, calls } = executorOver(
      (partition, signal) => {
        if (partition !== 1 || calls.includes('drop')) return
        executor.drop([seekTo(dropped)])
        abandoned = signal.aborted
      },
      { partitions: 3 },
    )
    const results = await executor.compute(joined, never)
    expect(partitionsOf(results)).toEqual([0, 1, 2].filter((partition) => partition !== dropped))
    expect(results.map(({ partials }) => partials.length)).toEqual([1, 0])
    expect(abandoned).toBe(true)
    expect(calls.filter((call) => call === 'batch.computed')).toHaveLength(1)
  })

  test('begins again without what is sought when all of them were computed', async () => {
    let sought = false
    const { executor, calls } = executorOver(() => {}, {
      partitions: 3,
      at: (point) => {
        if (point !== 'batch.computed' || sought) return
        sought = true
        void executor.seek([seekTo(0)])
      },
    })
    const results = await executor.compute(joined, never)
    expect(partitionsOf(results)).toEqual([1, 2])
    expect(results.map(({ partials }) => partials.length)).toEqual([1, 0])
    expect(calls.filter((call) => call.startsWith('run'))).toEqual(['run as one 0,1,2', 'run as one 1,2'])
  })

  test('gives nothing when all of them are dropped, and tells an error of those that are not', async () => {
    const gone = executorOver(() => gone.executor.drop([seekTo(0), seekTo(1)]))
    expect(await gone.executor.compute(joined, never)).toEqual([])
    const failing = executorOver(() => {
      throw new Error('fresh')
    })
    await expect(failing.executor.compute(joined, never)).rejects.toThrow('fresh')
  })
})
