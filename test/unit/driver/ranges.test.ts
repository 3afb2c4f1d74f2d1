import { describe, expect, onTestFinished, test } from 'vitest'
import { type DriverDeps, drive } from '../../../src/driver/driver.ts'
import { Ownership } from '../../../src/driver/ownership.ts'
import { OncesinkError } from '../../../src/errors.ts'
import type { BatchPlan, PartitionResult } from '../../../src/executor/executor.ts'
import type { Claim } from '../../../src/model/claim.ts'
import type { RangeOutcome } from '../../../src/model/outcome.ts'
import type { TopicPartition } from '../../../src/model/topic-partition.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import type { SeekPosition } from '../../../src/source/source.ts'
import type { ComputedBatch } from '../../../src/strategy/strategy.ts'
import { EventBus, type JobEvents } from '../../../src/telemetry/events.ts'
import { eventually } from '../../support/eventually.ts'

const PARTITIONS = [0, 1, 2].map((partition): TopicPartition => ({ topic: 't', partition }))
const RECORDS = 5n
const nothing = { kind: 'rows' as const, rows: [], metas: null }

type Fate = (range: PartitionResult['range']) => Promise<RangeOutcome | null> | RangeOutcome | null

/**
 * A driver over partitions that never end, and a database that is a map of positions. `fate` decides about ranges; null
 * commits. With `asOne` batches commit as a whole, and their ranges are added up as one where the plan allows it.
 */
function startDriver(fate: Fate, asOne = false) {
  let lost: TopicPartition[] = []
  const stored = PARTITIONS.map(() => 0n)
  const reading = new Map<number, bigint>()
  const heard: {
    claimed: number[][]
    computed: string[]
    committed: string[]
    failed: string[]
    states: string[]
  } = { claimed: [], computed: [], committed: [], failed: [], states: [] }
  let claims = 0
  const claim = (partitions: readonly TopicPartition[]) => {
    claims += 1
    heard.claimed.push(partitions.map(({ partition }) => partition))
    const made = partitions.map(
      ({ topic, partition }): Claim => ({
        ...{ topic, partition, epoch: BigInt(claims), claimId: `claim ${claims}`, incarnation: 0 },
        ...{ nextOffset: stored[partition] ?? 0n, seq: 1n, leaderEpoch: 0, topicId: 'id' },
      }),
    )
    return Promise.resolve({ claims: made, lost: [] })
  }
  const compute = async (plan: BatchPlan, signal: AbortSignal): Promise<PartitionResult[]> => {
    const results = [...reading].flatMap(([partition, from], i) => {
      const bound = plan.until?.get(`t/${partition}`) ?? from + RECORDS
      const most = BigInt(plan.maxRecordsOf?.get(`t/${partition}`) ?? Number(RECORDS))
      const until = [from + most, from + RECORDS, bound].reduce((a, b) => (a < b ? a : b))
      if (until <= from) return []
      reading.set(partition, until)
      heard.computed.push(`${partition} from ${from}`)
      return [
        {
          ...{
            range: { topic: 't', partition, from, until },
            records: Number(until - from),
            lastOffset: until - 1n,
          },
          ...{ deadLetters: [], digest: null, bytes: 0, leaderEpoch: 0, computeMs: 0 },
          partials: plan.joinRanges && i > 0 ? [] : [nothing],
        },
      ]
    })
    await systemRuntime.clock.sleep(results.length > 0 ? 1 : plan.maxWaitMs, signal)
    return results
  }
  const commit = async ({ results, claims: under }: ComputedBatch) => {
    const outcomes: RangeOutcome[] = []
    for (const [i, { range }] of results.entries()) {
      const outcome = (await fate(range)) ?? { kind: 'committed', range }
      outcomes.push(outcome)
      if (outcome.kind !== 'committed') continue
      expect(stored[range.partition]).toBe(range.from)
      expect(under[i]?.nextOffset).toBe(range.from)
      stored[range.partition] = range.until
      heard.committed.push(`${range.partition} from ${range.from}`)
    }
    return { outcomes, rows: 0, phases: { advanceMs: 0, rowsMs: 0, ledgerMs: 0, commitMs: 0 } }
  }
  const events = new EventBus<JobEvents>()
  events.on('batchFailed', ({ reason, ranges }) =>
    heard.failed.push(`${reason} ${ranges.map(({ partition }) => partition).join()}`),
  )
  events.on('stateChanged', ({ to }) => heard.states.push(to))
  const settled: boolean[] = []
  events.on('outcomeSettled', (event) => settled.push(event.committed))
  const deps = {
    job: {
      ...{ name: 'job', trigger: { intervalMs: 0 }, poison: { kind: 'fail' }, ledger: { retentionMs: 1 } },
      limits: {
        maxRecordsPerBatch: 100,
        maxBytesPerBatch: 1_000,
        startupTimeoutMs: 100,
        shutdownTimeoutMs: 100,
      },
    },
    ...{ runtime: systemRuntime, events, ownership: new Ownership() },
    session: {
      ...{ runtime: systemRuntime, drop: () => {} },
      connection: () => Promise.resolve({ pruneLedger: () => Promise.resolve(0) }),
    },
    claimer: { takeOver: claim, claimAgain: claim },
    membership: {
      ...{
        isShared: false,
        onChange: () => () => {},
        takeChanges: () => ({ gained: [], lost: lost.splice(0) }),
      },
      ...{ start: () => Promise.resolve(PARTITIONS), confirm: () => Promise.resolve(true) },
    },
    executor: {
      ...{ failed: new AbortController().signal, compute, progress: () => [] },
      drop: (of: readonly TopicPartition[]) => {
        for (const { partition } of of) reading.delete(partition)
      },
      seek: (to: readonly SeekPosition[]) => {
        for (const { partition, nextOffset } of to) reading.set(partition, nextOffset)
        return Promise.resolve()
      },
    },
    rate: { next: () => ({ maxRecords: 100 }), observe: () => {}, timedOut: () => {} },
    strategy: { name: 'test', ...(asOne ? { unit: 'batch', joinsRanges: true } : { unit: 'range' }), commit },
  } as unknown as DriverDeps
  const stop = new AbortController()
  const done = drive(deps, { stop: stop.signal, once: false, onRunning: () => {} })
  done.catch(() => {})
  onTestFinished(async () => {
    stop.abort()
    await done.catch(() => {})
  })
  const countOf = (lines: readonly string[], partition: number) =>
    lines.filter((line) => line.startsWith(`${partition} `)).length
  const lose = (partition: number) => {
    lost = PARTITIONS.filter((tp) => tp.partition === partition)
  }
  return { heard, settled, stored, done, stop: () => stop.abort(), countOf, lose }
}

const aborted = (
  range: PartitionResult['range'],
  code: 'TRANSACTION_ABORTED' | 'DATABASE_REFUSED' | 'ROWS_REJECTED',
) => ({ kind: 'aborted', range, error: new OncesinkError(code, 'no') }) as const

describe('where ranges commit one by one', () => {
  test('one that fails is claimed and read again alone; what was computed of the others is kept', async () => {
    let failures = 0
    const { heard, countOf } = startDriver((range) =>
      range.partition === 0 && failures++ < 3 ? aborted(range, 'TRANSACTION_ABORTED') : null,
    )
    await eventually(() => countOf(heard.committed, 0) > 3)
    expect(heard.failed).toEqual(['aborted 0', 'aborted 0', 'aborted 0'])
    expect(heard.claimed).toEqual([[0, 1, 2], [0], [0], [0]])
    // Everything that was computed of the others was computed once.
    const others = heard.computed.filter((line) => !line.startsWith('0 '))
    expect(new Set(others).size).toBe(others.length)
    expect(heard.states).toEqual(['running'])
  })

  test('one that does not end holds up nobody, and no more than one range of it is computed meanwhile', async () => {
    let release = () => {}
    const held = new Promise<null>((resolve) => {
      release = () => resolve(null)
    })
    const { heard, countOf } = startDriver((range) =>
      range.partition === 0 && range.from === RECORDS ? held : null,
    )
    await eventually(() => countOf(heard.committed, 1) > 40 && countOf(heard.committed, 2) > 40)
    expect(countOf(heard.committed, 0)).toBe(1)
    expect(heard.computed.filter((line) => line.startsWith('0 '))).toEqual([
      '0 from 0',
      '0 from 5',
      '0 from 10',
    ])
    release()
    await eventually(() => countOf(heard.committed, 0) > 5)
    expect(heard.claimed).toHaveLength(1)
  })

  test('one that fails after long does not let the range commit that waited behind it', async () => {
    let failed = false
    const { heard, countOf } = startDriver(async (range) => {
      if (range.partition !== 0 || failed) return null
      await eventually(() => heard.computed.includes('0 from 5'))
      await systemRuntime.clock.sleep(800)
      failed = true
      return aborted(range, 'TRANSACTION_ABORTED')
    })
    await eventually(() => countOf(heard.committed, 0) > 3)
    expect(heard.committed.filter((line) => line.startsWith('0 ')).slice(0, 2)).toEqual([
      '0 from 0',
      '0 from 5',
    ])
    expect(heard.claimed).toEqual([[0, 1, 2], [0]])
  })

  test.each([true, false])(
    'an unknown outcome is settled by the claim of its partition: %s',
    async (arrived) => {
      let asked = false
      const world = startDriver((range) => {
        if (range.partition !== 1 || asked) return null
        asked = true
        if (arrived) world.stored[1] = range.until
        return { kind: 'unknown', range, error: new OncesinkError('COMMIT_OUTCOME_UNKNOWN', 'no answer') }
      })
      const { heard, settled, countOf } = world
      await eventually(() => countOf(heard.committed, 1) > 3)
      expect(settled).toEqual([arrived])
      expect(heard.claimed).toEqual([[0, 1, 2], [1]])
      expect(heard.committed.includes('1 from 0')).toBe(!arrived)
    },
  )

  test('a rejected range is searched while the others go on, until the record stands alone', async () => {
    const { heard, done, countOf } = startDriver((range) =>
      range.partition === 2 && range.from <= 13n && range.until > 13n
        ? aborted(range, 'ROWS_REJECTED')
        : null,
    )
    await expect(done).rejects.toMatchObject({ code: 'ROWS_REJECTED', record: { partition: 2, offset: 13n } })
    expect(countOf(heard.committed, 0)).toBeGreaterThan(3)
    expect(new Set(heard.failed)).toEqual(new Set(['aborted 2']))
  })

  test('what nobody can mend ends the job, after what else is in flight', async () => {
    const { done } = startDriver((range) =>
      range.partition === 1 ? aborted(range, 'DATABASE_REFUSED') : null,
    )
    await expect(done).rejects.toMatchObject({ code: 'DATABASE_REFUSED' })
  })

  test('while every partition is away the job is recovering', async () => {
    let failures = 0
    const { heard, countOf } = startDriver((range) =>
      failures++ < 3 ? aborted(range, 'TRANSACTION_ABORTED') : null,
    )
    await eventually(() => countOf(heard.committed, 0) > 0)
    expect(heard.states).toEqual(['running', 'recovering', 'running'])
  })
})

describe('where ranges of a batch were added up as one', () => {
  test('a batch of which one was lost is read again without it, from where the others are', async () => {
    const world = startDriver(() => null, true)
    const { heard, countOf } = world
    await eventually(() => countOf(heard.committed, 1) > 3)
    world.lose(1)
    await eventually(() => heard.states.includes('recovering'))
    const before = countOf(heard.committed, 1)
    await eventually(() => countOf(heard.committed, 2) > before + 3)
    expect(countOf(heard.committed, 1)).toBe(before)
    expect(heard.claimed).toEqual([
      [0, 1, 2],
      [0, 2],
    ])
    // Nothing is left out, nothing is committed twice, and only the batch at hand was computed twice.
    for (const partition of [0, 2]) {
      const of = (lines: readonly string[]) => lines.filter((line) => line.startsWith(`${partition} `))
      const committed = of(heard.committed)
      expect(committed).toEqual(committed.map((_, i) => `${partition} from ${i * Number(RECORDS)}`))
      expect(of(heard.computed).length - new Set(of(heard.computed)).size).toBe(1)
    }
    expect(heard.states.slice(0, 3)).toEqual(['running', 'recovering', 'running'])
  })

  test('a batch whose only range was lost is not missed', async () => {
    const world = startDriver(() => null, true)
    const { heard, countOf } = world
    await eventually(() => countOf(heard.committed, 0) > 1)
    for (const partition of [0, 1, 2]) {
      world.lose(partition)
      await systemRuntime.clock.sleep(30)
    }
    await systemRuntime.clock.sleep(30)
    const claims = heard.claimed.length
    expect(heard.claimed.slice(0, 3)).toEqual([[0, 1, 2], [1, 2], [2]])
    expect(claims).toBe(3)
  })
})
