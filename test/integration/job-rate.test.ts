import { memoryUsage } from 'node:process'
import { describe, expect, test } from 'vitest'
import type { JobOptions } from '../../src/job/define-job.ts'
import type { BatchEvent } from '../../src/telemetry/events.ts'
import { eventually } from '../support/eventually.ts'
import { produceRepeated } from '../support/raw-producer.ts'
import { type Bench, intoSeen, observe, openBench } from '../support/running-job.ts'
import { slowInserts } from '../support/slow-inserts.ts'

const MIB = 2 ** 20
/** Values of one record batch, which is sent many times. */
const values = Array.from({ length: 1_000 }, (_, v) => JSON.stringify({ k: 'k', v }))
const SUM_OF_VALUES = (999 * 1_000) / 2

const seen = 'CREATE TABLE seen ("partition" int NOT NULL, log_offset bigint NOT NULL, v bigint NOT NULL)'

async function fill(bench: Bench, partition: number, batches: number): Promise<void> {
  await produceRepeated(bench.brokers, bench.topic, [{ partition, values, times: batches }])
}

/** What `seen` adds up to when it has each record once. */
async function tally(bench: Bench): Promise<{ rows: number; offsets: number; total: number }> {
  const [row] = await bench.database.rows<{ rows: string; offsets: string; total: string }>(
    `SELECT count(*) AS "rows", count(DISTINCT ("partition", log_offset)) AS "offsets", sum(v) AS "total" FROM seen`,
  )
  return { rows: Number(row?.rows), offsets: Number(row?.offsets), total: Number(row?.total) }
}

const limitsOf = (batches: readonly BatchEvent[]) => batches.map(({ limitRecords }) => limitRecords)

describe('a database that slows down', () => {
  test.each<[string, Pick<JobOptions, 'rate' | 'trigger'>]>([
    ['a target for the processing time', { rate: { targetBatchMs: 200 } }],
    ['back-pressure', { rate: { backpressure: true }, trigger: { intervalMs: 200 } }],
  ])('makes batches shrink, and they grow again when it has healed: %s', async (_, options) => {
    const bench = await openBench('job-rate', { tables: `${seen};${slowInserts('seen')}` })
    const setSlowness = (rowSeconds: number) =>
      bench.database.knex('slowness').update({ row_seconds: rowSeconds })
    const limits = { maxBufferedBytes: 8 * MIB, maxRecordsPerBatch: 16_000 }
    const job = bench.job({ pipelines: intoSeen, limits, ...options })
    await fill(bench, 0, 100)
    await fill(bench, 1, 100)
    const { running, heard } = await observe(job)

    // It begins small and grows.
    expect((await eventually(() => heard.batch[0])).limitRecords).toBe(1_000)
    await eventually(() => limitsOf(heard.batch).some((limit) => limit >= 8_000))

    await setSlowness(0.000_1)
    const slowFrom = heard.batch.length
    const rssBefore = memoryUsage.rss()
    // What is in flight may still be large; then they shrink to what takes the time that they may take.
    const lowest = await eventually(() => {
      const limit = limitsOf(heard.batch.slice(slowFrom)).at(-1) ?? Number.POSITIVE_INFINITY
      return limit <= 4_000 ? limit : null
    })
    expect(memoryUsage.rss() - rssBefore).toBeLessThan(128 * MIB)

    await setSlowness(0)
    const healedFrom = heard.batch.length
    await fill(bench, 0, 50)
    await eventually(() => limitsOf(heard.batch.slice(healedFrom)).some((limit) => limit >= 4 * lowest))

    const records = 250 * values.length
    await eventually(() => heard.batch.reduce((sum, batch) => sum + batch.records, 0) === records)
    await running.stop()
    expect(heard.batchFailed).toEqual([])
    expect(heard.retrying).toEqual([])
    expect(await tally(bench)).toEqual({ rows: records, offsets: records, total: 250 * SUM_OF_VALUES })
    expect(await bench.brokenLinks()).toEqual([])
    for (const { durations } of heard.batch) {
      const { schedulingDelayMs, processingMs, totalDelayMs } = durations
      expect(schedulingDelayMs).toBeGreaterThanOrEqual(0)
      expect(processingMs).toBeGreaterThan(0)
      expect(totalDelayMs).toBe(schedulingDelayMs + processingMs)
    }
  })
})

describe('a partition with 95 % of the backlog', () => {
  test('catches up, and the others do not wait for it', async () => {
    const [skewed, partitions] = [3, 8]
    const others = Array.from({ length: partitions }, (_, p) => p).filter((p) => p !== skewed)
    const bench = await openBench('job-skew', { partitions, tables: seen })
    const backlog = 140
    await fill(bench, skewed, backlog)
    for (const partition of others) await fill(bench, partition, 1)
    const { running, heard } = await observe(
      bench.job({ pipelines: intoSeen, limits: { maxRecordsPerBatch: 1_000 } }),
    )
    const committed = (partition: number) =>
      Number(
        heard.batch.flatMap(({ ranges }) => ranges.filter((range) => range.partition === partition)).at(-1)
          ?.until ?? 0n,
      )
    const isSkewedBehind = () => committed(skewed) < backlog * values.length
    let ends = 1_000
    // New records of the others are committed while the long backlog is still being worked off.
    for (let round = 0; round < 3; round += 1) {
      await eventually(() => others.every((partition) => committed(partition) >= ends))
      expect(isSkewedBehind(), `round ${round}`).toBe(true)
      for (const partition of others)
        await produceRepeated(bench.brokers, bench.topic, [
          { partition, values: values.slice(0, 20), times: 1 },
        ])
      ends += 20
    }
    await eventually(() => !isSkewedBehind() && others.every((partition) => committed(partition) >= ends))
    await running.stop()
    const records = backlog * values.length + others.length * ends
    expect(await tally(bench)).toMatchObject({ rows: records, offsets: records })
  })

  test('is read no faster than each partition may be, and no slower', async () => {
    const bench = await openBench('job-cap', { partitions: 2, tables: seen })
    await fill(bench, 0, 20)
    await fill(bench, 1, 1)
    const { running, heard } = await observe(
      bench.job({
        pipelines: intoSeen,
        trigger: { intervalMs: 50 },
        rate: { maxRatePerPartition: 10_000 },
      }),
    )
    await eventually(() => heard.batch.reduce((sum, { records }) => sum + records, 0) === 21_000)
    await running.stop()
    const sizes = heard.batch.flatMap(({ ranges }) => ranges.map(({ from, until }) => Number(until - from)))
    expect(Math.max(...sizes)).toBe(500)
    expect(heard.batch[0]?.limitRecords).toBe(1_000)
    expect(await tally(bench)).toMatchObject({ rows: 21_000, offsets: 21_000 })
  })
})
