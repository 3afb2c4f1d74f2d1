import { describe, expect, onTestFinished, test } from 'vitest'
import type { VerifyReport } from '../../src/check/conclusion.ts'
import { formatReport } from '../../src/check/report.ts'
import { verifyJob } from '../../src/check/verify-job.ts'
import { type Job, merge, sum } from '../../src/index.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createDialect, createLogToCheck } from '../../src/wire.ts'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { deleteRecordsBelow, kafkaTransaction } from '../support/kafka-admin.ts'
import { kafkaClient } from '../support/kafka-service.ts'
import { drain, observe, openBench } from '../support/running-job.ts'

onEveryEngine((engine) => {
  async function verify(job: Job): Promise<VerifyReport> {
    const source = createLogToCheck(job, systemRuntime)
    const dialect = createDialect(job, systemRuntime)
    return verifyJob({ job, dialect, source, runtime: systemRuntime, onProgress: () => {} })
  }

  /** The report's outcome; the whole report is the failure's message when it is another one. */
  async function expectOutcome(job: Job, outcome: VerifyReport['outcome']): Promise<VerifyReport> {
    const report = await verify(job)
    expect(report.outcome, formatReport(report)).toBe(outcome)
    return report
  }

  describe('what was changed by hand', () => {
    test('a position that was moved by hand: chain, lost records, and where', async () => {
      const bench = await openBench('verify-moved', { engine, partitions: 1 })
      await bench.produce(20)
      await drain(bench.job())
      await bench.produce(5)
      await bench.database.knex.raw(
        `UPDATE ${engine.own('oncesink_offsets')} SET next_offset = next_offset + 5`,
      )
      const report = await expectOutcome(bench.job(), 'violation')
      expect(report).toMatchObject({ lost: 5n, duplicated: 0n })
      expect(report.chain.violations.first).toMatchObject([
        { class: 'position-past-ledger', partition: { topic: bench.topic, partition: 0 } },
      ])
    })
  })

  test('a ledger without its starts, or without anything, is a violation', async () => {
    const bench = await openBench('verify-starts', { engine })
    await bench.produce(20)
    await drain(bench.job())
    for (const kept of ["kind = 'batch'", 'false']) {
      await bench.database.knex.raw(`DELETE FROM ${engine.own('oncesink_batches')} WHERE NOT (${kept})`)
      const report = await expectOutcome(bench.job(), 'violation')
      expect(report.chain.violations.first).toMatchObject([{ class: 'start-misplaced' }])
    }
  })

  test('a running job is verified in the middle of its work', async () => {
    const bench = await openBench('verify-running', { engine })
    await bench.produce(2_000)
    const job = bench.job({ limits: { maxRecordsPerBatch: 20 } })
    const { heard } = await observe(job)
    await eventually(() => heard.batch.length > 2)
    const report = await expectOutcome(job, 'ok')
    expect(report.recordsReplayed).toBeGreaterThan(0)
    await bench.untilCommitted()
    expect(await expectOutcome(job, 'ok')).toMatchObject({ recordsReplayed: 2_000 })
  })

  test('aborted and open transactions are read as the job has read them', async () => {
    const bench = await openBench('verify-transactions', { engine, partitions: 1 })
    const send = async (v: number, end: 'commit' | 'abort') => {
      const transaction = await kafkaTransaction(`${bench.name}-${v}`)
      await transaction.send({
        topic: bench.topic,
        messages: [{ partition: 0, value: JSON.stringify({ k: 'a', v }) }],
      })
      await transaction[end]()
    }
    for (let v = 0; v < 4; v++) await send(v, v % 2 === 0 ? 'commit' : 'abort')
    await drain(bench.job())
    expect(await expectOutcome(bench.job(), 'ok')).toMatchObject({
      recordsReplayed: 2,
      lost: 0n,
      duplicated: 0n,
    })
  })

  test('a producer that aborts and then commits: what was committed is in the tables, or verify says that it is not', async () => {
    const bench = await openBench('verify-abort-commit', { engine, partitions: 1 })
    const producer = kafkaClient().producer({
      transactionalId: bench.name,
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    onTestFinished(() => producer.disconnect())
    for (const end of ['abort', 'commit'] as const) {
      const transaction = await producer.transaction()
      const value = JSON.stringify({ k: end, v: 1 })
      await transaction.send({ topic: bench.topic, messages: [{ partition: 0, value }] })
      await transaction[end]()
    }
    await drain(bench.job())
    await expectOutcome(bench.job(), 'ok')
  })

  describe('what the log or the ledger no longer tells', () => {
    test('a start that retention has passed is inconclusive, with the chain checked', async () => {
      const bench = await openBench('verify-retention', { engine, partitions: 1 })
      await bench.produce(30)
      await drain(bench.job())
      await deleteRecordsBelow(bench.topic, 10)
      const report = await expectOutcome(bench.job(), 'inconclusive')
      expect(report.inconclusive).toEqual([
        `retention has deleted ${bench.topic}/0 [0, 10) from the log, which begins at 10`,
      ])
      expect(report.chain.batches).toBeGreaterThan(0)
    })

    test('a pruned ledger is verified all the same, and says so; rows too young for that are missed', async () => {
      const bench = await openBench('verify-pruned', { engine, partitions: 1 })
      for (let round = 0; round < 3; round++) {
        await bench.produce(10)
        await drain(bench.job())
      }
      const { knex } = bench.database
      await knex.raw(
        `DELETE FROM ${engine.own('oncesink_batches')} WHERE kind = 'batch' AND from_offset < 20`,
      )
      expect((await expectOutcome(bench.job(), 'violation')).chain.violations.first[0]).toMatchObject({
        class: 'gap',
      })

      await knex.raw(
        `UPDATE ${engine.own('oncesink_batches')} SET committed_at = committed_at - interval '8' day`,
      )
      const report = await expectOutcome(bench.job(), 'ok')
      expect(report.chain.partitions[0]?.prunedBefore).toBe(20n)
      expect(formatReport(report)).toContain('pruned before 20')
    })

    test('a job that has never run is inconclusive', async () => {
      const bench = await openBench('verify-never', { engine })
      await bench.produce(1)
      expect(await expectOutcome(bench.job(), 'inconclusive')).toMatchObject({
        recordsReplayed: 0,
        lost: null,
      })
    })
  })

  test('a job of another shape is refused', async () => {
    const bench = await openBench('verify-shape', { engine })
    await bench.produce(10)
    await drain(bench.job())
    const other = bench.job({
      pipelines: (orders) =>
        orders
          .groupBy({ k: (o) => o.k })
          .aggregate({ total: sum((o) => o.v) })
          .into(merge({ table: 'totals' })),
    })
    await expect(verify(other)).rejects.toMatchObject({ code: 'JOB_IDENTITY_CONFLICT' })
  })
})
