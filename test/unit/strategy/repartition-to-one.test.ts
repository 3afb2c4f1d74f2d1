import { describe, expect, test } from 'vitest'
import type { PartialResult } from '../../../src/aggregation/partial-result.ts'
import type { Transaction } from '../../../src/database/dialect.ts'
import { OncesinkError } from '../../../src/errors.ts'
import type { PartitionResult } from '../../../src/executor/executor.ts'
import {
  append,
  count,
  from,
  json,
  kafka,
  merge,
  repartitionToOne,
  write,
  writeResult,
} from '../../../src/index.ts'
import type { Claim } from '../../../src/model/claim.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import { ChunkWriter } from '../../../src/strategy/chunk-writer.ts'
import type { RepartitionToOneOptions } from '../../../src/strategy/repartition-to-one.ts'
import type { StrategyParts } from '../../../src/strategy/strategy.ts'

const values = from(kafka({ brokers: ['localhost:9092'], topics: ['t'] })).decode(json<{ k: string }>())

function result(partition: number, from: number, partial: PartialResult): PartitionResult {
  return {
    range: { topic: 't', partition, from: BigInt(from), until: BigInt(from + 1) },
    records: 1,
    deadLetters: [],
    digest: null,
    lastOffset: BigInt(from),
    bytes: 1,
    leaderEpoch: 0,
    computeMs: 0,
    partials: [partial],
  }
}

/** Writes the chunks, then the end, and tells what the transaction has heard. */
async function heard(
  pipeline: Pipeline,
  chunks: readonly (readonly PartitionResult[])[],
): Promise<unknown[]> {
  const calls: unknown[] = []
  const trx = {
    appendRows: async ({ rows }: { rows: unknown[] }) => calls.push(rows) && rows.length,
    mergeRows: async ({ rows }: { rows: unknown[] }) => calls.push(rows) && rows.length,
    runUserCode: (work: (handle: unknown) => unknown) => work(calls),
  } as unknown as Transaction
  const writer = new ChunkWriter('job', 'id', [pipeline.plan])
  for (const chunk of chunks) {
    await writer.take(trx, chunk)
    calls.push('chunk')
  }
  await writer.end(trx, [
    { range: { topic: 't', partition: 0, from: 0n, until: 9n }, records: 9, deadLetters: [] },
  ])
  return calls
}

const rows = (...k: string[]): PartialResult => ({
  kind: 'rows',
  rows: k.map((key) => ({ k: key })),
  metas: null,
})

describe('chunks are written', () => {
  test('by append with each chunk, in partition order', async () => {
    const pipeline = values.into(append({ table: 't' }))
    const chunks = [[result(0, 0, rows('a')), result(1, 0, rows('b'))], [result(0, 1, rows('c'))]]
    expect(await heard(pipeline, chunks)).toEqual([[['a'], ['b']], 'chunk', [['c']], 'chunk'])
  })

  test('by write of rows with each chunk, whose ranges it is told', async () => {
    const pipeline = values.into(
      write(async (calls, written, { batchId, ranges, records }) => {
        ;(calls as unknown as unknown[]).push([
          written.length,
          batchId,
          ranges.map(({ from: at }) => at),
          records,
        ])
      }),
    )
    const chunks = [[result(0, 0, rows('a')), result(1, 5, rows('b'))], [result(0, 1, rows('c'))]]
    expect(await heard(pipeline, chunks)).toEqual([
      [2, 'id', [0n, 5n], 2],
      'chunk',
      [1, 'id', [1n], 1],
      'chunk',
    ])
  })

  test('by merge once, at the end, every group once and sorted', async () => {
    const pipeline = values
      .groupBy({ k: ({ k }) => k })
      .aggregate({ n: count() })
      .into(merge({ table: 't' }))
    const groups = (counts: Record<string, bigint>): PartialResult => ({
      kind: 'groups',
      groups: new Map(Object.entries(counts).map(([k, n]) => [k, { keys: [k], states: [Number(n)] }])),
    })
    const chunks = [
      [result(0, 0, groups({ b: 1n })), result(1, 0, groups({ a: 2n }))],
      [result(0, 1, groups({ a: 3n, b: 4n }))],
    ]
    const calls = await heard(pipeline, chunks)
    expect(calls.slice(0, 2)).toEqual(['chunk', 'chunk'])
    expect(calls[2]).toHaveLength(2)
    expect(String(calls[2])).toBe('a,5,b,5')
  })

  test('by writeResult once, parts of one partition after each other, partitions in their order', async () => {
    const pipeline = values
      .reduce({ zero: () => '', add: (a: string) => a, merge: (a: string, b: string) => a + b })
      .into(
        writeResult(async (calls, text, { records }) => {
          ;(calls as unknown as unknown[]).push(text, records)
        }),
      )
    const part = (value: string): PartialResult => ({ kind: 'reduced', value })
    const chunks = [[result(0, 0, part('a1')), result(1, 0, part('b1'))], [result(0, 1, part('a2'))]]
    expect(await heard(pipeline, chunks)).toEqual(['chunk', 'chunk', 'a1a2b1', 9])
  })
})

test('options are read when the job is defined', () => {
  expect(() => repartitionToOne({ chunkRecords: 0 })).toThrow(
    "repartitionToOne: 'chunkRecords' must be an integer from 1 to 1000000, but is",
  )
  expect(() => repartitionToOne({ chunkByte: 1 } as never)).toThrow("did you mean 'chunkBytes'?")
  expect(() => repartitionToOne(null as never)).toThrow(OncesinkError)
})

describe('chunks', () => {
  const claim = {
    topic: 't',
    partition: 0,
    nextOffset: 0n,
    epoch: 1n,
    claimId: '00000000-0000-4000-8000-000000000000',
  } as unknown as Claim
  const text: PartialResult = {
    kind: 'row text',
    fields: ['k'],
    metas: [],
    text: { columns: [], rows: 0, pieces: [] },
  }

  /** What chunks may have once a batch of `partial` was written. */
  async function limitsAfter(partial: PartialResult, options: RepartitionToOneOptions) {
    const trx = new Proxy(
      {},
      {
        get: (_, operation) => {
          if (operation === 'commit') return async () => ({ kind: 'committed' })
          return operation === 'then' ? undefined : async () => 1
        },
      },
    )
    const connection = { begin: async () => trx }
    const session = { job: 'job', runtime: systemRuntime, connection: async () => connection }
    const pipelines = [values.into(append({ table: 't' })).plan]
    const strategy = repartitionToOne(options).create({ session, pipelines } as unknown as StrategyParts)
    if (strategy.unit !== 'stream') throw new Error('no stream')
    const { maxRecords: before } = strategy.chunks
    const one = result(0, 0, partial)
    const { outcomes } = await strategy.commit({
      batchId: '11111111-0000-4000-8000-000000000000',
      ranges: [{ range: one.range, claim, leaderEpoch: 0 }],
      chunks: (async function* () {
        yield [one]
      })(),
      contents: () => [one],
      deadLetterLimit: null,
    })
    expect(outcomes.map(({ kind }) => kind)).toEqual(['committed'])
    const { maxRecords, maxBytes } = strategy.chunks
    return [before, maxRecords, maxBytes]
  }

  test('are four times as large once rows are known to be text, where nobody has said how large', async () => {
    expect(await limitsAfter(rows('a'), {})).toEqual([10_000, 10_000, 2 ** 20])
    expect(await limitsAfter(text, {})).toEqual([10_000, 40_000, 2 ** 22])
    expect(await limitsAfter(text, { chunkRecords: 7 })).toEqual([7, 7, 2 ** 22])
    expect(await limitsAfter(text, { chunkBytes: 70 })).toEqual([10_000, 40_000, 70])
  })
})
