import { describe, expect, test } from 'vitest'
import { count, max, sum, tumbling } from '../../src/index.ts'
import type { Stream } from '../../src/pipeline/stream.ts'
import { merge } from '../../src/sink/merge.ts'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import {
  type Bench,
  drain,
  Gate,
  hurried,
  intoTotals,
  type Order,
  observe,
  openBench,
  startFailure,
  withFaults,
} from '../support/running-job.ts'

onEveryEngine((engine) => {
  /** The same table, and other aggregates than {@link intoTotals} has. */
  function intoOtherTotals(orders: Stream<Order>) {
    return orders
      .groupBy({ k: (order) => order.k })
      .aggregate({ n: count(), total: max((order) => order.v), extra: sum((order) => order.v) })
      .into(merge({ table: 'totals' }))
  }

  async function benchWithRun(stem: string): Promise<Bench> {
    const bench = await openBench(stem, { engine })
    await bench.database.knex.raw('ALTER TABLE totals ADD COLUMN extra bigint NOT NULL DEFAULT 0')
    await bench.produce(20)
    await drain(bench.job({ pipelines: intoTotals }))
    return bench
  }

  async function stateOf(bench: Bench) {
    const { database } = bench
    return {
      jobs: await database.rows(`SELECT * FROM ${engine.own('oncesink_jobs')} ORDER BY job`),
      positions: await database.rows(
        `SELECT * FROM ${engine.own('oncesink_offsets')} ORDER BY job, topic, "partition"`,
      ),
      totals: await database.rows('SELECT * FROM totals ORDER BY k'),
    }
  }

  describe('a job whose shape has changed', () => {
    test('is refused, with what differs, and touches nothing', async () => {
      const bench = await benchWithRun('shape')
      const before = await stateOf(bench)
      const error = await startFailure(bench.job({ pipelines: intoOtherTotals }))
      expect(error.code).toBe('JOB_IDENTITY_CONFLICT')
      expect(error.message).toContain("merge into totals: aggregate 'total' was kind sum and is kind max")
      expect(error.message).toContain("merge into totals: aggregate 'extra' is new (kind sum)")
      expect(error.message).not.toContain("'n'")
      expect(error.message).toContain('--accept-shape-change')
      expect(await stateOf(bench)).toEqual(before)
    })

    test('names changed keys and windows as well', async () => {
      const bench = await benchWithRun('keys')
      const windowed = (orders: Stream<Order>) =>
        orders
          .groupBy({ k: tumbling('1 minute', ({ v }) => v), day: ({ v }) => v })
          .aggregate({ n: count() })
          .into(merge({ table: 'totals_2' }))
      await bench.database.knex.raw(
        `CREATE TABLE totals_2 (k ${engine.types.instant}, day bigint, n bigint NOT NULL, PRIMARY KEY (k, day))`,
      )
      const { message } = await startFailure(bench.job({ pipelines: windowed }))
      expect(message).toMatch(/no longer: merge into totals\n.*new: merge into totals_2/)
    })

    test('is accepted with acceptShapeChange, which holds from then on', async () => {
      const bench = await benchWithRun('accepted')
      await bench.produce(10)
      await drain(bench.job({ pipelines: intoOtherTotals }), { acceptShapeChange: true })
      await bench.produce(10)
      await drain(bench.job({ pipelines: intoOtherTotals }))
      expect(await startFailure(bench.job({ pipelines: intoTotals }))).toMatchObject({
        code: 'JOB_IDENTITY_CONFLICT',
      })
      const { totals } = bench.expected()
      expect((await bench.totals()).map(({ k, n }) => ({ k, n }))).toEqual(
        totals.map(({ k, n }) => ({ k, n })),
      )
      expect(await bench.brokenLinks()).toEqual([])
    })
  })

  test('a table that another job writes is refused, and the other job is named', async () => {
    const bench = await benchWithRun('foreign')
    const before = await stateOf(bench)
    const error = await startFailure(bench.job({ name: `${bench.name}-copy`, pipelines: intoTotals }))
    expect(error.code).toBe('JOB_IDENTITY_CONFLICT')
    expect(error.message).toMatch(new RegExp(`totals.* is written by job '${bench.name}'`))
    expect(await stateOf(bench)).toEqual(before)
  })

  test('positions of another Kafka cluster are refused', async () => {
    const bench = await benchWithRun('cluster')
    await bench.database.knex.raw(`UPDATE ${engine.own('oncesink_jobs')} SET cluster_id = 'another-one'`)
    const before = await stateOf(bench)
    const error = await startFailure(bench.job({ pipelines: intoTotals }), { acceptShapeChange: true })
    expect(error.code).toBe('JOB_IDENTITY_CONFLICT')
    expect(error.message).toContain('has its positions in Kafka cluster another-one')
    expect(await stateOf(bench)).toEqual(before)
  })

  describe('two processes of one job that each own everything', () => {
    const alone = { assignment: 'all' } as const
    test('the second takes over, the first ends with OWNERSHIP_LOST and exit code 3, and totals are exact', async () => {
      const bench = await openBench('two', { engine })
      await bench.produce(100)
      const job = bench.job({ source: alone, limits: { maxRecordsPerBatch: 5 } })
      const first = await observe(job)
      await eventually(() => first.heard.batch.length > 1)
      const second = await observe(job)
      await bench.produce(100)
      const error = await first.failure()
      expect(error).toMatchObject({ code: 'OWNERSHIP_LOST' })
      expect(error.exitCode).toBe(3)
      expect(first.running.state).toBe('failed')
      await bench.untilCommitted()
      await second.running.stop()
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('the first one, stopped in mid-transaction, is ended and cannot commit when it wakes', async () => {
      const bench = await openBench('stopped-owner', { engine })
      await bench.produce(40)
      const gate = new Gate()
      const first = await observe(bench.job({ source: alone }), {
        runtime: withFaults((point) => (point === 'transaction.ledger-written' ? gate.pass() : undefined)),
      })
      await gate.reached
      const second = await observe(bench.job({ source: alone }))
      expect(second.heard.blockerEnded).toHaveLength(1)
      await bench.untilCommitted()
      gate.open()
      expect(await first.failure()).toMatchObject({ code: 'OWNERSHIP_LOST' })
      expect(first.heard.batch).toEqual([])
      await second.running.stop()
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('the first one, stopped before its compare-and-set, cannot commit although nothing has moved', async () => {
      const bench = await openBench('fenced', { engine })
      await bench.produce(40)
      const [firstGate, secondGate] = [new Gate(), new Gate()]
      const first = await observe(bench.job({ source: alone }), {
        runtime: withFaults((point) => (point === 'transaction.begun' ? firstGate.pass() : undefined)),
      })
      await firstGate.reached
      const second = await observe(bench.job({ source: alone }), {
        runtime: withFaults((point) => (point === 'batch.fetched' ? secondGate.pass() : undefined)),
      })
      await secondGate.reached
      firstGate.open()
      expect(await first.failure()).toMatchObject({ code: 'OWNERSHIP_LOST' })
      expect(first.heard.batch).toEqual([])
      expect(await bench.positions()).toEqual([0, 0])
      secondGate.open()
      await bench.untilCommitted()
      await second.running.stop()
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('taking over from each other again and again still count every record once', async () => {
      const bench = await openBench('ping-pong', { engine })
      const job = bench.job({ source: alone, limits: { maxRecordsPerBatch: 7 } })
      // One that has nothing left to commit notices by looking, which it does every few seconds.
      const runtime = hurried(10)
      let owner = await observe(job, { runtime })
      for (let round = 0; round < 5; round++) {
        await bench.produce(50)
        const next = await observe(job, { runtime })
        expect(await owner.failure()).toMatchObject({ code: 'OWNERSHIP_LOST' })
        owner = next
      }
      await bench.untilCommitted()
      await owner.running.stop()
      expect(await bench.actual()).toEqual(bench.expected())
    })
  })
})
