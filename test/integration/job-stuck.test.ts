import { expect, test } from 'vitest'
import type { Job } from '../../src/job/job.ts'
import type { RunningJob } from '../../src/job/start.ts'
import { type EngineOptions, onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { type Bench, observe, openBench, withFaults } from '../support/running-job.ts'

onEveryEngine((engine) => {
  function jobWith(bench: Bench, options: EngineOptions, job: Job = bench.job()): Job {
    return { ...job, database: engine.database(bench.database.url, options) }
  }

  test('a lock that somebody else holds is waited for, however long, and no record is blamed for it', async () => {
    const bench = await openBench('locked', { engine, partitions: 1 })
    const unlock = await engine.blockWrites(bench.database, 'totals')
    await bench.produce(1)
    const { running, heard } = await observe(jobWith(bench, { lockTimeoutMs: 100 }))
    await eventually(() => heard.batchFailed.length >= 7)
    expect(running.state).not.toBe('failed')
    await unlock()
    await bench.untilCommitted()
    await running.stop()
    expect(await bench.actual()).toEqual(bench.expected())
  })

  test('a single record whose statement runs too long again and again stops the job, with what to look at', async () => {
    const bench = await openBench('slow', { engine, partitions: 1 })
    const isPostgres = engine.name === 'postgres'
    await bench.database.run(
      isPostgres
        ? `CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(5); RETURN NEW; END $$;
           CREATE TRIGGER dawdle BEFORE INSERT ON totals FOR EACH ROW EXECUTE FUNCTION dawdle()`
        : 'CREATE TRIGGER dawdle BEFORE INSERT ON totals FOR EACH ROW DO SLEEP(5)',
    )
    await bench.produce(1)
    const observed = await observe(jobWith(bench, { statementTimeoutMs: isPostgres ? 200 : 3_000 }))
    const error = await observed.failure()
    expect(error).toMatchObject({
      code: 'DATABASE_REFUSED',
      record: { topic: bench.topic, partition: 0, offset: 0n },
    })
    expect(error.message).toContain('statementTimeoutMs')
    expect(error.message).not.toContain('Filter it out')
    expect(await bench.positions()).toEqual([0])
  })

  test('a batch that is rejected while the job is being stopped is told, and one bad record is no clean stop', async () => {
    const bench = await openBench('rejected', { engine, partitions: 1 })
    await bench.database.knex.raw('ALTER TABLE totals ADD CHECK (total < 0)')
    for (const records of [3, 1]) {
      await bench.produce(records, 0)
      let running: RunningJob | null = null
      const runtime = withFaults(async (point) => {
        if (point !== 'batch.computed') return
        const job = await eventually(() => running)
        job.stop().catch(() => {})
      })
      const limits = { maxRecordsPerBatch: records }
      const observed = await observe(bench.job({ limits }), { runtime })
      running = observed.running
      if (records === 1) expect(await observed.failure()).toMatchObject({ code: 'ROWS_REJECTED' })
      else await observed.running.done
      expect(observed.heard.batchFailed).toMatchObject([
        { reason: 'aborted', error: { code: 'ROWS_REJECTED' } },
      ])
    }
    expect(await bench.positions()).toEqual([0])
  })
})
