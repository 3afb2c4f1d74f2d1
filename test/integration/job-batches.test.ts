import { describe, expect, test } from 'vitest'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { kafkaTransaction } from '../support/kafka-admin.ts'
import { produce } from '../support/kafka-service.ts'
import { type Bench, drain, hurried, observe, openBench, withFaults } from '../support/running-job.ts'

onEveryEngine((engine) => {
  /** Appends an aborted transaction to partition 0: `records` of them and the abort marker. */
  async function appendAborted(bench: Bench, records: number): Promise<void> {
    const transaction = await kafkaTransaction(bench.name)
    const value = JSON.stringify({ k: 'aborted', v: 1 })
    const messages = Array.from({ length: records }, () => ({ partition: 0, value }))
    await transaction.send({ topic: bench.topic, messages })
    await transaction.abort()
  }

  describe('a range without visible records at the end of the log', () => {
    test('is committed at the stop', async () => {
      const bench = await openBench('aborted', { engine })
      await bench.produce(20)
      const { running, heard } = await observe(bench.job())
      await bench.untilCommitted()
      await appendAborted(bench, 3)
      // When this is committed, everything that was before it in the log of the broker has been read.
      await bench.produce(1, 1)
      await bench.untilCommitted()
      expect(await bench.positions()).toEqual([10, 11])
      await running.stop()
      expect(await bench.positions()).toEqual([14, 11])
      expect(heard.batch.at(-1)).toMatchObject({
        records: 0,
        ranges: [{ partition: 0, from: 10n, until: 14n }],
      })
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('is committed after a few seconds while the job runs on', async () => {
      const bench = await openBench('idle', { engine, partitions: 1 })
      await bench.produce(10)
      const { running } = await observe(bench.job(), { runtime: hurried(10) })
      await bench.untilCommitted()
      await appendAborted(bench, 3)
      await eventually(async () => (await bench.positions())[0] === 14)
      await running.stop()
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('is drained by a run that ends, and does not hold it up', async () => {
      const bench = await openBench('drained', { engine, partitions: 1 })
      await bench.produce(10)
      await drain(bench.job())
      await appendAborted(bench, 3)
      const started = performance.now()
      await drain(bench.job())
      expect(performance.now() - started).toBeLessThan(3_000)
      expect(await bench.positions()).toEqual([14])
      expect(await bench.actual()).toEqual(bench.expected())
    })
  })

  describe('the size of a batch', () => {
    test('is bounded by maxRecordsPerBatch, also of the first one after a long stop', async () => {
      const bench = await openBench('bounded', { engine })
      await bench.produce(30)
      const job = bench.job({ limits: { maxRecordsPerBatch: 8 } })
      await drain(job)
      await bench.produce(800)
      const { heard } = await drain(job)
      const sizes = heard.batch.map(({ records }) => records)
      expect(Math.max(...sizes)).toBe(8)
      expect(sizes).toHaveLength(100)
      expect(sizes[0]).toBe(8)
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('is bounded by maxBytesPerBatch', async () => {
      const bench = await openBench('bounded-bytes', { engine })
      await bench.produce(400)
      const { heard } = await drain(bench.job({ limits: { maxBytesPerBatch: 1_500 } }))
      expect(heard.batch.length).toBeGreaterThan(1)
      expect(Math.max(...heard.batch.map(({ bytes }) => bytes))).toBeLessThanOrEqual(1_500)
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('is what has arrived in trigger.intervalMs', async () => {
      const bench = await openBench('interval', { engine })
      const intervalMs = 400
      const { running, heard } = await observe(bench.job({ trigger: { intervalMs } }))
      const started = performance.now()
      for (let i = 0; i < 20; i++) {
        await bench.produce(2)
        await new Promise((resolve) => setTimeout(resolve, 80))
      }
      await bench.untilCommitted()
      const intervals = Math.ceil((performance.now() - started) / intervalMs)
      await running.stop()
      // One may be under way at the start, and the last one may be that of the stop.
      expect(heard.batch.length).toBeGreaterThan(2)
      expect(heard.batch.length).toBeLessThanOrEqual(intervals + 2)
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('is bounded by both: the interval also separates the batches of a backlog', async () => {
      const bench = await openBench('both', { engine })
      await bench.produce(40)
      const started = performance.now()
      const { heard } = await drain(
        bench.job({ trigger: { intervalMs: 200 }, limits: { maxRecordsPerBatch: 10 } }),
      )
      expect(heard.batch.map(({ records }) => records)).toEqual([10, 10, 10, 10])
      expect(performance.now() - started).toBeGreaterThan(3 * 200)
    })
  })

  describe('a run that ends', () => {
    test('drains to the ends of the log that it saw at the start, and not to what comes later', async () => {
      const bench = await openBench('once', { engine })
      await bench.produce(40)
      const seen = bench.produced.length
      let late = false
      const runtime = withFaults(async (point) => {
        if (point !== 'transaction.begun' || late) return
        late = true
        await bench.produce(40)
      })
      const { running } = await drain(bench.job({ limits: { maxRecordsPerBatch: 10 } }), { runtime })
      expect(running.state).toBe('stopped')
      expect(late).toBe(true)
      expect(await bench.positions()).toEqual([20, 20])
      expect(await bench.actual()).toEqual(bench.expected(bench.produced.slice(0, seen)))
    })

    test('ends at once when there is nothing to do, and does not wait for an open transaction', async () => {
      const bench = await openBench('nothing', { engine, partitions: 1 })
      const { heard } = await drain(bench.job())
      expect(heard.batch).toEqual([])
      await bench.produce(5)
      const transaction = await kafkaTransaction(bench.name)
      const value = JSON.stringify({ k: 'open', v: 1 })
      await transaction.send({ topic: bench.topic, messages: [{ partition: 0, value }] })
      await produce(bench.topic, [{ partition: 0, value }])
      await drain(bench.job())
      expect(await bench.positions()).toEqual([5])
      expect(await bench.actual()).toEqual(bench.expected())
      await transaction.abort()
    })
  })
})
