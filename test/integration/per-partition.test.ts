import { describe, expect, onTestFinished, test } from 'vitest'
import { perPartition } from '../../src/strategy/per-partition.ts'
import { proxiedDatabase } from '../support/database-proxy.ts'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { type Bench, drain, Gate, observe, openBench, withFaults } from '../support/running-job.ts'
import { createWorld } from '../support/witness-world.ts'

const PARTITIONS = 3
/** A fetch that waits at the broker delays the reading after a seek. */
const source = { fetch: { maxWaitMs: 20 } }
const strategy = perPartition({ connections: PARTITIONS })

/** Every partition has a key of its own, unless they share one. */
async function produce(bench: Bench, records: number, key = (partition: number) => `p${partition}`) {
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const first = bench.produced.length
    await bench.produce(
      Array.from({ length: records }, (_, i) => ({ k: key(partition), v: first + i })),
      partition,
    )
  }
}

/** How many milliseconds it takes until 20 more records of each partition from `first` on are committed. */
async function roundMs(bench: Bench, first = 0): Promise<number> {
  const began = performance.now()
  await produce(bench, 20)
  const ends = Array.from(
    { length: PARTITIONS },
    (_, i) => bench.produced.filter((r) => r.partition === i).length,
  )
  await eventually(async () => (await bench.positions()).every((at, i) => i < first || at === ends[i]))
  return performance.now() - began
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

onEveryEngine((engine) => {
  describe('perPartition', () => {
    test('commits the ranges of a batch at once, each with a batch id of its own', async () => {
      const bench = await openBench('parallel', { engine, partitions: PARTITIONS })
      await produce(bench, 40)
      let [inside, most] = [0, 0]
      const runtime = withFaults(async (point) => {
        if (point === 'transaction.advanced') {
          inside += 1
          most = Math.max(most, inside)
          // As long as it takes until the others are here too; the first batch waits for them.
          await eventually(() => most === PARTITIONS)
        }
        if (point === 'transaction.committed') inside -= 1
      })
      const { heard } = await drain(bench.job({ source, strategy }), { runtime })
      expect(most).toBe(PARTITIONS)
      expect(heard.batch.every(({ ranges }) => ranges.length === 1)).toBe(true)
      expect(new Set(heard.batch.map(({ batchId }) => batchId)).size).toBe(heard.batch.length)
      expect(heard.batchFailed).toEqual([])
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('partitions that update the same rows wait for each other, and add up', async () => {
      const bench = await openBench('contended', { engine, partitions: PARTITIONS })
      await produce(bench, 100, (partition) => `k${partition % 2}`)
      await bench.produce(100)
      await drain(bench.job({ source, strategy, limits: { maxRecordsPerBatch: 30 } }))
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('a partition whose row is locked by somebody fails by itself, the others go on as fast', async () => {
      const bench = await openBench('locked', { engine, partitions: PARTITIONS })
      const database = engine.database(bench.database.url, {
        lockTimeoutMs: 2_000,
        statementTimeoutMs: 20_000,
      })
      const { heard } = await observe(bench.job({ database, source, strategy }))
      const free: number[] = []
      while (free.length < 8) free.push(await roundMs(bench))

      const holder = await bench.database.knex.transaction()
      onTestFinished(async () => {
        if (!holder.isCompleted()) await holder.rollback()
      })
      await holder('totals').where({ k: 'p0' }).update({ n: 0 })
      const beside: number[] = []
      // It is tried again and again, and the others always have more to do.
      while (heard.batchFailed.length < 2) beside.push(await roundMs(bench, 1))
      expect(median(beside)).toBeLessThan(3 * median(free) + 100)
      const failed = heard.batchFailed.map(({ ranges, reason }) => [
        reason,
        ranges.map((range) => range.partition),
      ])
      expect(failed).toEqual(failed.map(() => ['aborted', [0]]))
      // Nobody but the blocked one was claimed again.
      const again = heard.claimed.slice(1).flatMap(({ claims }) => claims.map(({ partition }) => partition))
      expect(again).toEqual(again.map(() => 0))

      await holder.rollback()
      await bench.untilCommitted()
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('a COMMIT without an answer is settled by a claim of its partition alone', async () => {
      const bench = await openBench('answers', { engine, partitions: PARTITIONS })
      const { proxy, url } = await proxiedDatabase(bench.database.url)
      await produce(bench, 200)
      let commits = 0
      const runtime = withFaults((point) => {
        if (point !== 'transaction.ledger-written') return
        commits += 1
        if (commits % 4 === 0) proxy.cutAfterCommit()
        if (commits % 4 === 2) proxy.cutBeforeCommit()
      })
      const limits = { maxRecordsPerBatch: 60 }
      const { heard } = await drain(bench.job({ url, source, strategy, limits }), { runtime })
      // A claim may be hit instead of a range: it is made again.
      expect(Math.min(proxy.injected.cutAfterCommit, proxy.injected.cutBeforeCommit)).toBeGreaterThan(1)
      const settled = heard.outcomeSettled.map(({ committed }) => committed)
      expect(new Set(settled)).toEqual(new Set([true, false]))
      expect(heard.batchFailed.map(({ reason, ranges }) => [reason, ranges.length])).toEqual(
        settled.map(() => ['unknown', 1]),
      )
      const again = heard.claimed.slice(1).flatMap(({ claims }) => claims)
      expect(again).toHaveLength(heard.batchFailed.length)
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('who takes the job over ends every session of an owner that stands still in several transactions', async () => {
      const bench = await openBench('several', { engine, partitions: PARTITIONS })
      await produce(bench, 20)
      const gate = new Gate()
      let inside = 0
      const runtime = withFaults(async (point) => {
        if (point !== 'transaction.advanced') return
        inside += 1
        await gate.pass()
      })
      const job = bench.job({ source: { ...source, assignment: 'all' }, strategy })
      const old = await observe(job, { runtime })
      await eventually(() => inside === PARTITIONS)

      const successor = await drain(job)
      expect(successor.heard.blockerEnded).toHaveLength(PARTITIONS)
      gate.open()
      expect(await old.failure()).toMatchObject({ code: 'OWNERSHIP_LOST', exitCode: 3 })
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('a process that is killed between the commits of its partitions has every record once', async () => {
      const world = await createWorld({ engine, maxRecords: 60, connections: PARTITIONS })
      await world.produce(600)
      const process = world.run({ fault: { point: 'transaction.committed', visit: 5, signal: 'SIGKILL' } })
      const { signal, stderr } = await process.ended
      expect(signal, stderr).toBe('SIGKILL')
      await world.expectExact()
      await world.drain()
      await world.expectComplete()
    })
  })
})
