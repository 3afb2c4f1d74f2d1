import { beforeAll, describe, expect, test } from 'vitest'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import type { NativeDatabase, NativeKafka } from '../../src/services/index.ts'
import { onEveryEngine, ownServer, postgresEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { ownKafka } from '../support/kafka-service.ts'
import { drain, observe, openBench, startFailure, withFaults } from '../support/running-job.ts'

onEveryEngine((engine) => {
  describe('a database that is killed with SIGKILL', () => {
    let server: NativeDatabase
    beforeAll(async () => {
      server = await ownServer(engine)
    })

    test.each<FaultPoint>(['transaction.rows-written', 'transaction.committed', 'claim.before-commit'])(
      'at %s and started again: the job goes on by itself, and totals are exact',
      async (where) => {
        const bench = await openBench('db-killed', { engine, serverUrl: server.url })
        await bench.produce(60)
        let reached = 0
        let killed = 0
        const runtime = withFaults(async (point) => {
          if (point !== where || ++reached !== (where.startsWith('claim') ? 1 : 3)) return
          killed += 1
          await server.kill()
          await server.restart()
        })
        const job = bench.job({ limits: { maxRecordsPerBatch: 10 } })
        const { running, heard } = await observe(job, { runtime })
        await bench.untilCommitted()
        expect(killed).toBe(1)
        expect(heard.stateChanged.some(({ to }) => to === 'failed')).toBe(false)
        await running.stop()
        expect(await bench.actual()).toEqual(bench.expected())
      },
    )

    test('and away for a while costs no position: the job tells that it tries again, and that it has succeeded', async () => {
      const bench = await openBench('db-away', { engine, serverUrl: server.url })
      await bench.produce(20)
      const { running, heard } = await observe(bench.job())
      await bench.untilCommitted()
      await server.kill()
      await bench.produce(20)
      const isDatabase = ({ what }: { what: string }) => what === 'database'
      await eventually(() => heard.retrying.filter(isDatabase).length >= 4)
      expect(running.state).toBe('recovering')
      expect(heard.recovered).toEqual([])
      await server.restart()
      await eventually(() => heard.recovered.some(isDatabase))
      await bench.untilCommitted()
      await running.stop()
      const attempts = heard.retrying.filter(isDatabase)
      expect(attempts.map(({ attempt }) => attempt)).toEqual(attempts.map((_, i) => i + 1))
      expect(attempts[0]?.error).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('does not keep the job from stopping', async () => {
      const bench = await openBench('db-stop', { engine, serverUrl: server.url })
      await bench.produce(20)
      const job = bench.job({ limits: { maxRecordsPerBatch: 5 } })
      const runtime = withFaults((point) =>
        point === 'transaction.rows-written' ? server.kill() : undefined,
      )
      const { running, heard } = await observe(job, { runtime })
      await eventually(() => heard.retrying.length >= 2)
      await running.stop()
      expect(running.state).toBe('stopped')
      await server.restart()
      expect(await bench.positions()).toEqual([0, 0])
      const { running: again } = await observe(bench.job())
      await bench.untilCommitted()
      await again.stop()
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('refuses a wrong password at once', async () => {
      const bench = await openBench('password', { engine, serverUrl: server.url })
      const url = new URL(bench.database.url)
      url.password = 'wrong'
      const started = performance.now()
      const error = await startFailure(bench.job({ url: url.href }))
      expect(performance.now() - started).toBeLessThan(2_000)
      expect(error).toMatchObject({ code: 'DATABASE_REFUSED', message: expect.stringContaining('password') })
    })
  })
})

describe('a broker that is killed with SIGKILL', () => {
  let kafka: NativeKafka
  beforeAll(async () => {
    kafka = await ownKafka()
  })

  test('and comes back: the job goes on by itself, without a duplicate, and takes new partitions too', async () => {
    const bench = await openBench('broker-killed', { brokers: kafka.brokers })
    await bench.produce(40)
    const source = { metadataRefreshMs: 300 }
    // Positions know the leader epoch in which they were reached, from the beginning.
    await drain(bench.job())
    await bench.produce(40)
    const { running, heard } = await observe(bench.job({ source, limits: { maxRecordsPerBatch: 10 } }))
    await eventually(() => heard.batch.length > 0)
    await kafka.kill()
    await eventually(() => heard.retrying.some(({ what }) => what === 'source'))
    await kafka.restart()
    await bench.produce(40)
    await bench.untilCommitted()
    await eventually(() => heard.recovered.some(({ what }) => what === 'source'))
    // Its leader epoch is another one now. Partitions make the job seek again, which compares epochs with the log.
    await bench.addPartitions(3)
    await bench.produce(30)
    await bench.untilCommitted()
    await running.stop()
    expect(await bench.actual()).toEqual(bench.expected())
  })

  test('while the database connection is lost as well: both are recovered, in whatever order they come', async () => {
    const bench = await openBench('both-lost', { brokers: kafka.brokers })
    await bench.produce(40)
    let batches = 0
    const runtime = withFaults(async (point) => {
      if (point !== 'transaction.rows-written' || ++batches !== 2) return
      await kafka.kill()
      await postgresEngine.endSessions(bench.database)
    })
    const job = bench.job({ limits: { maxRecordsPerBatch: 10 } })
    const { running, heard } = await observe(job, { runtime })
    await eventually(() => heard.retrying.filter(({ what }) => what === 'source').length >= 2)
    expect(heard.batchFailed).toMatchObject([{ reason: 'aborted', error: { code: 'DATABASE_UNAVAILABLE' } }])
    await kafka.restart()
    await bench.untilCommitted()
    await running.stop()
    expect(await bench.actual()).toEqual(bench.expected())
  })
})
