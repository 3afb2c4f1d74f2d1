import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { collectPartials } from '../../../../src/aggregation/collect.ts'
import type { PartialResult } from '../../../../src/aggregation/partial-result.ts'
import { OncesinkError } from '../../../../src/errors.ts'
import {
  areSeparate,
  type BatchPlan,
  type Executor,
  type PartitionResult,
} from '../../../../src/executor/executor.ts'
import { createInlineExecutor } from '../../../../src/executor/inline.ts'
import { compilePartitionTask } from '../../../../src/executor/partition-task.ts'
import * as api from '../../../../src/index.ts'
import type { Job } from '../../../../src/job/job.ts'
import type { TopicPartition } from '../../../../src/model/topic-partition.ts'
import { topicPartitionKey } from '../../../../src/model/topic-partition.ts'
import type { FaultPoint } from '../../../../src/runtime/fault-points.ts'
import { systemRuntime } from '../../../../src/runtime/runtime.ts'
import { SeededRandom } from '../../../../src/runtime/seeded-random.ts'
import {
  type BufferedLog,
  bufferedSource,
  type LoggedBatch,
  positionOf,
} from '../../../support/buffered-source.ts'
import { eventually } from '../../../support/eventually.ts'
import { type ThreadsHereOptions, threadsHere } from '../../../support/threads-here.ts'

const never = new AbortController().signal
const plan: BatchPlan = { maxRecords: 100, maxWaitMs: 0, includeEmptyRanges: false, order: 'fair' }

interface Order {
  readonly k: string
  readonly v: number
}

/** Something of every kind of result that goes from thread to thread. */
function jobOf(poison: api.DeadLetterPolicy | 'fail' = 'fail', { name = 'threads', topic = 't' } = {}): Job {
  const orders = api.from(api.kafka({ brokers: ['localhost:1'], topics: [topic] })).decode(
    (bytes: Uint8Array | null): Order => {
      const order = JSON.parse(Buffer.from(bytes ?? []).toString()) as Order
      if (order.k === 'poison') throw new RangeError('this one is poison')
      return order
    },
    { key: api.nullable(api.string()) },
  )
  const at = ({ v }: Order) => new Date(v * 1_000)
  return api.defineJob({
    name,
    database: api.postgres({ connectionString: 'postgres://localhost/db' }),
    poison,
    pipeline: [
      orders
        .groupBy({ k: (o) => o.k, hour: api.tumbling('1 hour', at), even: (o) => o.v % 2 === 0 })
        .aggregate({
          n: api.count(),
          total: api.sum((o) => BigInt(o.v) * 10n ** 16n),
          money: api.sumDecimal((o) => `${o.v}.25`, { scale: 2 }),
          last: api.max(at),
          best: api.maxBy((o) => `v${o.v}`, { by: at }),
          rough: api.sumDouble((o) => o.v / 3),
        })
        .into(api.merge({ table: 'a' })),
      orders
        .map(({ k, v }) => ({
          k,
          v,
          big: BigInt(v),
          doc: { list: [v], k },
          bytes: Buffer.from(k),
          at: new Date(v),
        }))
        .into(
          api.append({
            table: 'b',
            meta: { partition: 'p', offset: 'o', timestamp: 't', key: 'rk', headers: 'h' },
          }),
        ),
      orders
        .map(({ v }) => (v % 5 === 0 ? null : { v, maybe: v % 2 === 0 ? null : v }))
        .into(api.upsert({ table: 'c', key: { k: (meta) => meta.key ?? '' }, tombstones: 'delete' })),
      orders
        .reduce({
          zero: () => new Map<string, { n: bigint; days: Set<number>; last: Date | null; tail: Buffer }>(),
          add: (state, { k, v }) => {
            const { n = 0n, days = new Set<number>() } = state.get(k) ?? {}
            return state.set(k, {
              n: n + 1n,
              days: days.add(v % 7),
              last: new Date(v),
              tail: Buffer.from(`${v}`),
            })
          },
          merge: (a, b) => {
            for (const [k, { n, days, ...rest }] of b) {
              const { n: m = 0n, days: others = new Set<number>() } = a.get(k) ?? {}
              a.set(k, { n: n + m, days: new Set([...others, ...days]), ...rest })
            }
            return a
          },
        })
        .into(api.writeResult(async () => {})),
    ],
  })
}

const topics = ['t', 'u']

/** A log whose batches hold a few records each, some of them none that anybody sees. */
function randomLog(random: SeededRandom, partitions: number, poison: boolean): BufferedLog {
  return new Map(
    Array.from({ length: partitions }, (_, i) => {
      const tp = { topic: topics[i % 2] ?? 't', partition: i >> 1 }
      let offset = random.integer(0, 3)
      const batches = Array.from({ length: random.integer(0, 12) }, (): LoggedBatch => {
        const records = Array.from({ length: random.integer(1, 9) }, () => {
          offset += random.fraction() < 0.1 ? 3 : 1
          const k = poison && random.fraction() < 0.04 ? 'poison' : `k${random.integer(0, 4)}`
          const headers = random.fraction() < 0.3 ? [['h', 'x'] as const] : []
          return {
            offset,
            timestampMs: offset * 10,
            key: random.fraction() < 0.2 ? null : `key ${random.integer(0, 3)}`,
            value: JSON.stringify({ k, v: random.integer(0, 20_000) }),
            headers,
          }
        })
        return { records, isVisible: random.fraction() < 0.8 }
      })
      return [topicPartitionKey(tp), batches]
    }),
  )
}

function partitionsOf(log: BufferedLog): TopicPartition[] {
  return [...log.keys()].map((key) => {
    const [topic = '', partition] = key.split('/')
    return { topic, partition: Number(partition) }
  })
}

/** Where the log of a partition ends, so that a run has an end too. */
function endsOf(log: BufferedLog): Map<string, bigint> {
  return new Map(
    [...log].map(([key, batches]) => [key, BigInt((batches.at(-1)?.records.at(-1)?.offset ?? -1) + 1)]),
  )
}

function inlineOver(job: Job, log: BufferedLog): Executor {
  const task = compilePartitionTask(job.root, job.pipelines, systemRuntime.clock)
  return createInlineExecutor(bufferedSource(log), task, systemRuntime, job.poison)
}

function threads(job: Job, options: ThreadsHereOptions) {
  const made = threadsHere(job, options)
  onTestFinished(() => made.executor.close())
  return made
}

/** What a table would hold: results of committed ranges only, each partition's in their order. */
class Committed {
  readonly positions = new Map<string, bigint>()
  readonly letters: string[] = []
  readonly #partials: PartialResult[][]
  readonly #job: Job
  records = 0

  constructor(job: Job) {
    this.#job = job
    this.#partials = job.pipelines.map(() => [])
  }

  commit(results: readonly PartitionResult[]): void {
    for (const { range, records, partials, deadLetters, lastOffset } of results) {
      const key = topicPartitionKey(range)
      expect(range.from, key).toBe(this.positions.get(key) ?? 0n)
      expect(lastOffset === null).toBe(records === 0)
      this.positions.set(key, range.until)
      this.records += records
      this.letters.push(
        ...deadLetters.map(
          (letter) => `${key}@${letter.offset} ${letter.value?.bytes} ${letter.cause.message}`,
        ),
      )
      for (const [i, partial] of partials.entries())
        this.#partials[i]?.push({ ...partial, ...sortKey(range) } as never)
    }
  }

  tables(): unknown[] {
    return this.#job.pipelines.map(({ terminal }, i) => {
      const inOrder = (this.#partials[i] ?? []).toSorted((a, b) => order(a) - order(b))
      return tableOf(collectPartials(terminal, inOrder))
    })
  }
}

const sortKey = ({ topic, partition, from }: PartitionResult['range']) => ({
  order: topics.indexOf(topic) * 1e9 + partition * 1e6 + Number(from),
})
const order = (partial: PartialResult) => (partial as unknown as { order: number }).order

/** Groups in the order of their text, sums of floating point as near as they are whatever the order of adding. */
function tableOf(result: PartialResult): unknown {
  if (result.kind !== 'groups') return { ...result, order: undefined }
  return [...result.groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([text, { keys, states }]) => [
      text,
      keys,
      states.map((s, i) => (i === 6 ? Math.round(Number(s) * 1e6) : s)),
    ])
}

interface Drained {
  readonly committed: Committed
  readonly batches: number
}

/** Drains the log in random cuts; some batches are not committed, and are sought again. */
async function drain(executor: Executor, job: Job, log: BufferedLog, seed: number): Promise<Drained> {
  const random = new SeededRandom(seed)
  const committed = new Committed(job)
  const ends = endsOf(log)
  const all = partitionsOf(log)
  const at = (tp: TopicPartition) => positionOf(tp, committed.positions.get(topicPartitionKey(tp)) ?? 0n)
  await executor.open()
  await executor.seek(all.map(at))
  let batches = 0
  const joinRanges = seed % 2 === 0
  const isDone = () => [...ends].every(([key, end]) => (committed.positions.get(key) ?? 0n) >= end)
  while (!isDone()) {
    if (++batches > 2_000) throw new Error('the log does not come to its end')
    const maxRecords = random.integer(1, 40)
    const maxBytes = random.fraction() < 0.5 ? random.integer(1, 2_000) : 1_000_000
    const results = await executor.compute(
      {
        maxRecords,
        maxBytes,
        maxWaitMs: 0,
        includeEmptyRanges: random.fraction() < 0.5,
        order: random.fraction() < 0.3 ? 'sequential' : 'fair',
        ...(random.fraction() < 0.5 && { until: ends }),
        joinRanges,
      },
      never,
    )
    expect(results.reduce((sum, { records }) => sum + records, 0)).toBeLessThanOrEqual(maxRecords)
    const dice = random.fraction()
    if (dice < 0.15) await executor.seek(all.map(at))
    else {
      committed.commit(results)
      if (dice < 0.25) {
        const some = all.filter(() => random.fraction() < 0.5)
        executor.drop(some)
        await executor.seek(some.map(at))
      }
    }
  }
  return { committed, batches }
}

test('what is committed depends neither on the executor, nor on the number of workers, nor on how the ranges are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.integer({ min: 1, max: 7 }),
      fc.boolean(),
      fc.constantFrom('all', 'totals'),
      async (seed, partitions, poison, kinds) => {
        const policy = poison ? api.deadLetter() : 'fail'
        const job = kinds === 'all' ? jobOf(policy) : totalsJob(policy)
        const log = randomLog(new SeededRandom(seed), partitions, poison)
        const inline = await drain(inlineOver(job, log), job, log, seed)
        // Once: an accumulator may be consumed by merging it.
        const tables = inline.committed.tables()
        for (const count of [1, 2, 4]) {
          const { executor, workers } = threadsHere(job, { count, sourceOf: () => bufferedSource(log) })
          try {
            const { committed } = await drain(executor, job, log, seed + count)
            expect(committed.tables()).toEqual(tables)
            expect(committed.records).toBe(inline.committed.records)
            expect(committed.letters.sort()).toEqual(inline.committed.letters.sort())
            expect(committed.positions).toEqual(inline.committed.positions)
          } finally {
            await executor.close()
          }
          expect(workers.every(({ terminated }) => terminated)).toBe(true)
        }
      },
    ),
    { numRuns: 25 },
  )
}, 120_000)

/** Four partitions of `records` records each. */
function evenLog(records: number, partitions = 4): BufferedLog {
  const batch = {
    isVisible: true,
    records: Array.from({ length: records }, (_, offset) => ({ offset, value: `{"k":"k","v":${offset}}` })),
  }
  return new Map(Array.from({ length: partitions }, (_, partition) => [`t/${partition}`, [batch]]))
}

const rangesOf = (results: readonly PartitionResult[]) =>
  results.map(({ range, records }) => `${range.partition}:${range.from}+${records}`)

describe('a batch that is computed by several workers', () => {
  test('gives every partition its share, whichever worker reads it, and never has more records than it may', async () => {
    const log = new Map([...evenLog(100, 3), ...new Map([['t/3', evenLog(2).get('t/0') ?? []]])])
    const { executor } = threads(jobOf(), { count: 2, sourceOf: () => bufferedSource(log) })
    await executor.open()
    await executor.seek(partitionsOf(log).map((tp) => positionOf(tp)))
    expect(rangesOf(await executor.compute({ ...plan, maxRecords: 50 }, never))).toEqual([
      '0:0+16',
      '1:0+16',
      '2:0+16',
      '3:0+2',
    ])
    const one = await executor.compute({ ...plan, maxRecords: 1 }, never)
    expect(one.map(({ records }) => records)).toEqual([1])
    expect(executor.progress().map(({ position }) => Number(position))).toEqual(
      [0, 1, 2, 3].map((p) => (p === 3 ? 2 : 16) + (one[0]?.range.partition === p ? 1 : 0)),
    )
  })

  test.each([
    { maxBytes: 1_000, sizes: [10, 400, 10, 3_000, 10, 10, 200, 10] },
    // A large one comes earlier than its part of all bytes says.
    { maxBytes: 2_000, sizes: [10, 700, ...Array<number>(20).fill(10), 3_000] },
  ])(
    'never has more than $maxBytes bytes over all workers; a record that has more comes alone',
    async ({ maxBytes, sizes }) => {
      const batches = sizes.map((size, offset): LoggedBatch => {
        const value = JSON.stringify({ k: 'x'.repeat(size), v: offset })
        return { isVisible: true, records: [{ offset, value }] }
      })
      const log = new Map([0, 1, 2, 3].map((partition) => [`t/${partition}`, batches]))
      const { executor } = threads(jobOf(), { count: 3, sourceOf: () => bufferedSource(log) })
      await executor.open()
      await executor.seek(partitionsOf(log).map((tp) => positionOf(tp)))
      const seen: { readonly records: number; readonly bytes: number }[] = []
      const left = () => executor.progress().reduce((sum, { bufferedRecords }) => sum + bufferedRecords, 0)
      do {
        const results = await executor.compute({ ...plan, maxBytes }, never)
        const sum = (of: (result: PartitionResult) => number) =>
          results.reduce((all, result) => all + of(result), 0)
        seen.push({ records: sum(({ records }) => records), bytes: sum(({ bytes }) => bytes) })
        if (seen.length > 100) break
      } while (left() > 0)
      expect(seen.reduce((sum, { records }) => sum + records, 0)).toBe(4 * sizes.length)
      expect(seen.filter(({ bytes }) => bytes > maxBytes).map(({ records }) => records)).toEqual([1, 1, 1, 1])
      expect(seen.every(({ records }) => records > 0)).toBe(true)
    },
  )

  test('in sequential order drains one partition after another, whichever worker reads it', async () => {
    const log = evenLog(5)
    const { executor } = threads(jobOf(), { count: 3, sourceOf: () => bufferedSource(log) })
    await executor.open()
    await executor.seek(partitionsOf(log).map((tp) => positionOf(tp)))
    const until = new Map([
      ['t/0', 4n],
      ['t/1', 0n],
      ['t/2', 2n],
      ['t/3', 5n],
    ])
    const seen: string[] = []
    for (let i = 0; i < 6; i++) {
      seen.push(
        rangesOf(await executor.compute({ ...plan, order: 'sequential', maxRecords: 3, until }, never)).join(
          ' ',
        ),
      )
    }
    expect(seen).toEqual(['0:0+3', '0:3+1', '2:0+2', '3:0+3', '3:3+2', ''])
  })

  test('waits for nobody once one of them has records', async () => {
    const log = new Map([...evenLog(5, 1), ['t/1', []] as const])
    const { executor } = threads(jobOf(), { count: 2, sourceOf: () => bufferedSource(log) })
    await executor.open()
    await executor.seek(partitionsOf(log).map((tp) => positionOf(tp)))
    // An hour: the test would run out of time.
    expect(rangesOf(await executor.compute({ ...plan, maxWaitMs: 3_600_000 }, never))).toEqual(['0:0+5'])
    const stop = new AbortController()
    const waiting = executor.compute({ ...plan, maxWaitMs: 3_600_000 }, stop.signal)
    stop.abort()
    expect(await waiting).toEqual([])
  })

  test('is held to the dead letters of all workers together', async () => {
    const poisoned = {
      isVisible: true,
      records: [0, 1].map((offset) => ({ offset, value: '{"k":"poison"}' })),
    }
    const log: BufferedLog = new Map([0, 1].map((p) => [`t/${p}`, [poisoned]]))
    const job = jobOf(api.deadLetter({ maxPerBatch: 3 }))
    const { executor } = threads(job, { count: 2, sourceOf: () => bufferedSource(log) })
    await executor.open()
    await executor.seek(partitionsOf(log).map((tp) => positionOf(tp)))
    await expect(executor.compute(plan, never)).rejects.toMatchObject({ code: 'DEAD_LETTER_LIMIT' })
  })

  test('fails with the first record of the log that fails, its coordinates and what was thrown', async () => {
    const good = { offset: 0, value: '{"k":"a","v":1}' }
    const poisoned = { isVisible: true, records: [good, { offset: 1, value: '{"k":"poison"}' }] }
    const log: BufferedLog = new Map([3, 1, 2, 0].map((p) => [`t/${p}`, p === 0 ? [] : [poisoned]]))
    const { executor } = threads(jobOf(), { count: 4, sourceOf: () => bufferedSource(log) })
    await executor.open()
    await executor.seek(partitionsOf(log).map((tp) => positionOf(tp)))
    const error: unknown = await executor.compute(plan, never).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OncesinkError)
    expect(error).toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      disposition: 'stop',
      record: { topic: 't', partition: 1, offset: 1n },
      message: expect.stringMatching(
        /^decoder .* failed at t\/1 offset 1: RangeError: this one is poison\. The record's value is/,
      ),
      cause: {
        name: 'RangeError',
        message: 'this one is poison',
        stack: expect.stringContaining('thread-executor.test.ts'),
      },
    })
  })

  test('refuses rows and accumulators that would not arrive as they are', async () => {
    class Money {}
    const orders = api.from(api.kafka({ brokers: ['localhost:1'], topics: ['t'] })).decode(api.json<Order>())
    const base = { name: 'x', database: api.postgres({ connectionString: 'postgres://localhost/db' }) }
    const rows = orders.map(() => ({ price: new Money() })).into(api.write(async () => {}))
    const sum = orders
      .reduce({ zero: () => ({ f: [() => 1] }), add: (state) => state, merge: (a) => a })
      .into(api.writeResult(async () => {}))
    for (const [pipeline, message] of [
      [
        rows,
        /the result of t\/0 \[0, 1\) cannot leave its worker thread: field 'price' of a row\[0\] is an instance of Money/,
      ],
      [sum, /the accumulator\.f\[0\] is a function/],
    ] as const) {
      const job = api.defineJob({ ...base, pipeline })
      const { executor } = threads(job, { count: 1, sourceOf: () => bufferedSource(evenLog(1, 1)) })
      await executor.open()
      await executor.seek([positionOf({ topic: 't', partition: 0 })])
      await expect(executor.compute(plan, never)).rejects.toMatchObject({
        code: 'JOB_FUNCTION_FAILED',
        message: expect.stringMatching(message),
      })
    }
  })
})

describe('generations', () => {
  /** Workers whose tasks wait until they are let go. */
  async function held(log: BufferedLog) {
    const job = jobOf()
    const begun: string[] = []
    let letGo = () => {}
    const gate = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const made = threads(job, {
      count: 2,
      sourceOf: () => bufferedSource(log),
      task: () => {
        const task = compilePartitionTask(job.root, job.pipelines, systemRuntime.clock)
        return {
          ...task,
          run: async (...args) => {
            begun.push(topicPartitionKey(args[0].range))
            await gate
            // The result is there before anybody has heard of the seek.
            return task.run(args[0], never, args[2])
          },
        }
      },
    })
    await made.executor.open()
    await made.executor.seek(partitionsOf(log).map((tp) => positionOf(tp)))
    return { ...made, begun, letGo }
  }

  test('a result that was computed before a seek is dropped, and the partition is read from where it was sought', async () => {
    const { executor, begun, letGo } = await held(evenLog(9, 2))
    const computing = executor.compute({ ...plan, maxRecords: 8 }, never)
    await eventually(() => begun.length === 2)
    const sought = executor.seek([positionOf({ topic: 't', partition: 1 }, 2n)])
    letGo()
    await sought
    expect(rangesOf(await computing)).toEqual(['0:0+4'])
    expect(rangesOf(await executor.compute(plan, never))).toEqual(['0:4+5', '1:2+7'])
  })

  test('a result that is on its way when its partition is sought or dropped does not arrive', async () => {
    const job = jobOf()
    const log = evenLog(4, 3)
    let onComputed = () => {}
    const { executor } = threads(job, {
      count: 1,
      sourceOf: () => bufferedSource(log),
      runtime: {
        ...systemRuntime,
        faultPoints: {
          reach: async (point: FaultPoint) => {
            if (point === 'batch.computed') onComputed()
          },
        },
      },
    })
    await executor.open()
    await executor.seek(partitionsOf(log).map((tp) => positionOf(tp)))
    onComputed = () => {
      executor.drop([{ topic: 't', partition: 0 }])
      void executor.seek([positionOf({ topic: 't', partition: 2 })])
      onComputed = () => {}
    }
    expect(rangesOf(await executor.compute(plan, never))).toEqual(['1:0+4'])
    expect(rangesOf(await executor.compute(plan, never))).toEqual(['2:0+4'])
    expect(executor.progress().map(({ partition }) => partition)).toEqual([1, 2])
  })

  test('what was added up as one stays together when a part of it is dropped on the way', async () => {
    const job = totalsJob()
    const log = evenLog(4, 3)
    let onComputed = () => {}
    const reach = async (point: FaultPoint) => {
      if (point === 'batch.computed') onComputed()
    }
    const runtime = { ...systemRuntime, faultPoints: { reach } }
    const { executor } = threads(job, { count: 1, sourceOf: () => bufferedSource(log), runtime })
    const dropping = async (partitions: readonly number[]) => {
      await executor.seek(partitionsOf(log).map((tp) => positionOf(tp)))
      onComputed = () => executor.drop(partitions.map((partition) => ({ topic: 't', partition })))
      return executor.compute({ ...plan, joinRanges: true }, never)
    }
    await executor.open()
    const all = await dropping([0])
    expect(rangesOf(all)).toEqual(['0:0+4', '1:0+4', '2:0+4'])
    expect(areSeparate(all)).toBe(false)
    expect(await dropping([0, 1, 2])).toEqual([])
  })
})

/** Nothing but aggregates, whose ranges can be added up as one. */
function totalsJob(poison: api.DeadLetterPolicy | 'fail' = 'fail'): Job {
  const orders = api
    .from(api.kafka({ brokers: ['localhost:1'], topics: ['t', 'u'] }))
    .decode(api.json<Order>())
  return api.defineJob({
    name: 'totals',
    database: api.postgres({ connectionString: 'postgres://localhost/db' }),
    poison,
    pipeline: orders
      .groupBy({ k: (o) => (o.k === 'poison' ? (null as never) : o.k) })
      .aggregate({
        n: api.count(),
        total: api.sum((o) => BigInt(o.v) * 10n ** 16n),
        best: api.minBy((o) => `v${o.v % 9}`, { by: (o) => o.v % 4 }),
      })
      .into(api.merge({ table: 'a' })),
  })
}

describe('workers that fail', () => {
  const over = (log: BufferedLog, options: Partial<ThreadsHereOptions> = {}) =>
    threads(jobOf(), { count: 2, sourceOf: () => bufferedSource(log), ...options })

  test('one whose thread ends answers everything with the reason, now and later, for all of them', async () => {
    const { executor, workers } = over(evenLog(0))
    await executor.open()
    await executor.seek([0, 1].map((partition) => positionOf({ topic: 't', partition })))
    const waiting = executor.compute({ ...plan, maxWaitMs: 3_600_000 }, never)
    expect(executor.failed.aborted).toBe(false)
    workers[1]?.end(new OncesinkError('WORKER_LOST', 'has ended with exit code 7.'))
    const lost = { code: 'WORKER_LOST', message: 'worker 2 has ended with exit code 7.' }
    expect(executor.failed.aborted).toBe(true)
    await expect(waiting).rejects.toMatchObject(lost)
    await expect(executor.compute(plan, never)).rejects.toMatchObject(lost)
    await expect(executor.seek([positionOf({ topic: 't', partition: 0 })])).rejects.toMatchObject(lost)
    expect(workers.map(({ terminated }) => terminated)).toEqual([false, false])
    await executor.close()
    expect(workers.map(({ terminated }) => terminated)).toEqual([true, true])
  })

  test('one that has loaded another job is refused, with what differs', async () => {
    const elsewhere = jobOf('fail', { name: 'other', topic: 'u' })
    const { executor } = over(evenLog(0), { loaded: elsewhere })
    await expect(executor.open()).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(
        /loaded from file:\/\/\/srv\/job\.ts is not the job that was started: its name, its source differ/,
      ),
    })
  })

  test('one that cannot connect is opened again', async () => {
    let attempts = 0
    const source = bufferedSource(evenLog(2, 1))
    const { executor } = over(evenLog(2, 1), {
      count: 1,
      sourceOf: () => ({
        ...source,
        open: async () => {
          attempts += 1
          if (attempts === 1) throw new OncesinkError('SOURCE_UNAVAILABLE', 'nobody answers')
        },
      }),
    })
    await expect(executor.open()).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE', disposition: 'retry' })
    await executor.open()
    await executor.seek([positionOf({ topic: 't', partition: 0 })])
    expect(rangesOf(await executor.compute(plan, never))).toEqual(['0:0+2'])
  })

  test('what their sources have to say is heard where the job is heard, errors with their codes', async () => {
    const { executor, workers, events } = over(evenLog(0))
    await executor.open()
    const heard: unknown[] = []
    for (const name of ['retrying', 'recovered', 'warning'] as const)
      events.on(name, (event) => heard.push([name, event]))
    const error = new OncesinkError('SOURCE_UNAVAILABLE', 'away', { partition: { topic: 't', partition: 3 } })
    workers[0]?.events.emit('retrying', { what: 'source', error, attempt: 2, delayMs: 5 })
    workers[0]?.events.emit('recovered', { what: 'source' })
    workers[0]?.events.emit('warning', { message: 'look here' })
    await eventually(() => heard.length === 3)
    expect(heard).toEqual([
      ['retrying', { what: 'source', error, attempt: 2, delayMs: 5 }],
      ['recovered', { what: 'source' }],
      ['warning', { message: 'look here' }],
    ])
    expect((heard[0] as [string, { error: OncesinkError }])[1].error).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      partition: { partition: 3 },
    })
  })
})
