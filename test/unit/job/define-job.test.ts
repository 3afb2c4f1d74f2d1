import { describe, expect, test } from 'vitest'
import { count } from '../../../src/aggregation/count.ts'
import { json } from '../../../src/decode/json.ts'
import { defineJob, isJob, type JobOptions } from '../../../src/job/define-job.ts'
import { from } from '../../../src/pipeline/from.ts'
import { append } from '../../../src/sink/append.ts'
import { merge } from '../../../src/sink/merge.ts'
import { write } from '../../../src/sink/write.ts'

const source = { kind: 'test', startFrom: 'earliest' } as const
const orders = from(source).decode(json<{ item: string }>())
const grouped = orders.groupBy({ item: (o) => o.item }).aggregate({ n: count() })
const pipeline = grouped.into(merge({ table: 't' }))
const database = { engine: 'postgres' } as const
const valid: JobOptions = { name: 'orders', database, pipeline }

describe('a job', () => {
  test('has every default resolved', () => {
    expect(defineJob(valid)).toEqual({
      name: 'orders',
      database,
      root: pipeline.plan.root,
      pipelines: [pipeline.plan],
      trigger: { intervalMs: 0 },
      limits: {
        maxRecordsPerBatch: 250_000,
        maxRowsPerBatch: 100_000,
        maxBytesPerBatch: 67_108_864,
        maxBufferedBytes: 33_554_432,
        shutdownTimeoutMs: 30_000,
        startupTimeoutMs: 60_000,
      },
      rate: {
        backpressure: false,
        initialRatePerPartition: null,
        maxRatePerPartition: null,
        targetBatchMs: 1_000,
      },
      codeVersion: '',
      migrate: 'auto',
      poison: { kind: 'fail' },
      executor: { kind: 'inline' },
      strategy: { name: 'collectThenCommit', create: expect.any(Function) },
      ledger: { retentionMs: 604_800_000, digest: false },
    })
  })

  test('takes what is given, and undefined for a default', () => {
    const job = defineJob({
      ...valid,
      trigger: { intervalMs: 500 },
      limits: { maxRecordsPerBatch: 5, shutdownTimeoutMs: undefined },
      codeVersion: 'abc',
      ledger: { retentionMs: 0 },
    })
    expect(job).toMatchObject({
      trigger: { intervalMs: 500 },
      limits: { maxRecordsPerBatch: 5, shutdownTimeoutMs: 30_000 },
      codeVersion: 'abc',
      ledger: { retentionMs: 0 },
    })
  })

  test('is frozen, and is known for a job', () => {
    const job = defineJob(valid)
    for (const part of [job, job.pipelines, job.trigger, job.limits, job.rate, job.ledger])
      expect(Object.isFrozen(part)).toBe(true)
    expect(isJob(job)).toBe(true)
    for (const other of [null, undefined, {}, valid, pipeline, Object.freeze({ ...valid })])
      expect(isJob(other)).toBe(false)
  })

  test('keeps the one root that its pipelines share', () => {
    const second = orders.into(write(async () => {}))
    const job = defineJob({ ...valid, pipeline: [pipeline, second] })
    expect(job.pipelines).toEqual([pipeline.plan, second.plan])
    expect(job.pipelines.every(({ root }) => root === job.root)).toBe(true)
  })

  test('two appends may share a table', () => {
    const appends = [orders.into(append({ table: 't' })), orders.into(append({ table: 't' }))]
    expect(defineJob({ ...valid, pipeline: appends }).pipelines).toHaveLength(2)
  })
})

describe('what is wrong is told', () => {
  test.each<[string, object, RegExp]>([
    ['no name', { name: undefined }, /name must be a text of 1 to 200 printable/],
    ['an empty name', { name: '' }, /name must be/],
    ['a name of 201 characters', { name: 'x'.repeat(201) }, /name must be/],
    ['a control character', { name: 'a\nb' }, /name must be/],
    ['a space around the name', { name: ' a' }, /without spaces around/],
    ['a name that is no text', { name: 5 }, /name must be/],
    ['an unknown option', { retries: 3 }, /no option retries: there are name, /],
    [
      'an unknown limit',
      { limits: { maxRecords: 1 } },
      /no option limits\.maxRecords: there are limits\.maxRecordsPerBatch/,
    ],
    ['a negative interval', { trigger: { intervalMs: -1 } }, /trigger\.intervalMs must be an integer from 0/],
    [
      'a fractional limit',
      { limits: { maxRecordsPerBatch: 1.5 } },
      /maxRecordsPerBatch must be an integer from 1/,
    ],
    [
      'a batch of no bytes',
      { limits: { maxBytesPerBatch: 0 } },
      /maxBytesPerBatch must be an integer from 1/,
    ],
    ['a limit of nothing', { limits: { maxRecordsPerBatch: 0 } }, /maxRecordsPerBatch/],
    ['a limit in text', { limits: { maxBufferedBytes: '64MB' } }, /maxBufferedBytes .* the string "64MB"/],
    ['a timer that does not fit', { limits: { shutdownTimeoutMs: 2 ** 31 } }, /shutdownTimeoutMs/],
    ['limits that are no object', { limits: 5 }, /limits must be an object/],
    ['a digest by name', { ledger: { digest: 'xxh32' } }, /ledger\.digest must be true or false/],
    ['a retention below 0', { ledger: { retentionMs: -1 } }, /ledger\.retentionMs/],
    ['another way to migrate', { migrate: 'never' }, /migrate must be 'auto' or 'check', but is .*"never"/],
    [
      'a strategy by name',
      { strategy: 'perPartition' as never },
      /strategy must be .* but is 'perPartition'|strategy must be .* "perPartition"/,
    ],
    [
      'a strategy that cannot be made',
      { strategy: { name: 'x' } as never },
      /strategy must be a strategy such as collectThenCommit\(\)/,
    ],
    ['no database', { database: undefined }, /database must be .* but is undefined/],
    ['a database URL', { database: 'postgres://x' }, /database must be/],
    ['no pipeline', { pipeline: undefined }, /pipeline must be .* but is undefined/],
    ['no pipelines', { pipeline: [] }, /an empty array/],
    ['a chain without into', { pipeline: grouped }, /pipeline must be what from/],
    ['a pipeline twice', { pipeline: [pipeline, pipeline] }, /one pipeline twice/],
    [
      'two roots',
      {
        pipeline: [
          pipeline,
          from(source)
            .decode(json())
            .into(write(async () => {})),
        ],
      },
      /do not begin with the same from/,
    ],
    [
      'two merges into one table',
      { pipeline: [pipeline, grouped.into(merge({ table: 't' }))] },
      /two pipelines write to table 't'/,
    ],
    [
      'merge and append into one table',
      { pipeline: [pipeline, orders.into(append({ table: 't' }))] },
      /two pipelines write to table 't'/,
    ],
  ])('%s', (_, change, reason) => {
    expect(() => defineJob({ ...valid, ...change })).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.stringMatching(reason) }),
    )
  })

  test('everything at once, one a line', () => {
    const error = (() => {
      try {
        return defineJob({ ...valid, name: '', trigger: { intervalMs: -1 }, retires: 1 } as JobOptions)
      } catch (thrown) {
        return thrown as Error
      }
    })()
    expect((error as Error).message.split('\n  - ')).toHaveLength(4)
  })

  test('options that are no object', () => {
    expect(() => defineJob(undefined as never)).toThrow(/takes an options object, but got undefined/)
  })
})
