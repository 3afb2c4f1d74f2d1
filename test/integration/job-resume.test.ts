import { describe, expect, test } from 'vitest'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { deleteRecordsBelow, kafkaAdmin, kafkaTransaction } from '../support/kafka-admin.ts'
import { produce } from '../support/kafka-service.ts'
import { type Bench, drain, observe, openBench, startFailure, withFaults } from '../support/running-job.ts'

onEveryEngine((engine) => {
  /** Start rows of the ledger, as `partition: offset (reason)`. */
  async function starts(bench: Bench): Promise<string[]> {
    const ledger = await bench.ledger()
    return ledger
      .filter(({ kind }) => kind === 'start')
      .map(({ partition, until_offset, reason }) => `${partition}: ${until_offset} (${reason})`)
  }

  describe('a job that has positions', () => {
    test('resumes from them, whatever the Kafka group of its name and startFrom say', async () => {
      const bench = await openBench('resume', { engine })
      await bench.produce(100)
      await drain(bench.job())
      await bench.produce(100)
      const admin = await kafkaAdmin()
      const group = { groupId: bench.name, topic: bench.topic }
      await admin.setOffsets({
        ...group,
        partitions: [0, 1].map((partition) => ({ partition, offset: '7' })),
      })

      await drain(bench.job({ source: { startFrom: 'latest' } }))
      expect(await bench.actual()).toEqual(bench.expected())
      expect(await starts(bench)).toEqual(['0: 0 (earliest)', '1: 0 (earliest)'])

      await bench.produce(50)
      await drain(bench.job({ source: { startFrom: { offsets: { [bench.topic]: { 0: 3n, 1: 120n } } } } }))
      expect(await bench.actual()).toEqual(bench.expected())
      // The group is written, after each commit, and never read.
      await eventually(async () => {
        const [offsets] = await admin.fetchOffsets({ groupId: bench.name, topics: [bench.topic] })
        return offsets?.partitions.every(({ offset }) => offset === '125')
      })
    })

    test('goes on after a stop without a gap, also while records keep coming', async () => {
      const bench = await openBench('stops', { engine })
      await bench.produce(50)
      for (let round = 0; round < 4; round++) {
        const { running, heard } = await observe(bench.job({ limits: { maxRecordsPerBatch: 10 } }))
        await bench.produce(40)
        await eventually(() => heard.batch.length > 1)
        await running.stop()
        expect(running.state).toBe('stopped')
      }
      await drain(bench.job())
      expect(await bench.actual()).toEqual(bench.expected())
    })
  })

  describe('a job without positions', () => {
    test('begins a latest start at the last stable offset, before an open transaction', async () => {
      const bench = await openBench('latest', { engine, partitions: 1 })
      await bench.produce(10)
      const transaction = await kafkaTransaction(bench.name)
      const late = { k: 'late', v: 5 }
      await transaction.send({
        topic: bench.topic,
        messages: [{ partition: 0, value: JSON.stringify(late) }],
      })
      await produce(bench.topic, [{ partition: 0, value: JSON.stringify(late) }])

      const { running, heard } = await observe(bench.job({ source: { startFrom: 'latest' } }))
      expect(await starts(bench)).toEqual(['0: 10 (latest)'])
      await transaction.commit()
      await eventually(() => heard.batch.length > 0)
      await running.stop()
      expect(await bench.totals()).toEqual([{ k: 'late', n: 2, total: 10 }])
      // Ten records before, the transaction's and the other one, and the commit marker.
      expect(await bench.positions()).toEqual([13])
    })

    test('begins at a timestamp, and records that this was the reason', async () => {
      const bench = await openBench('since', { engine, partitions: 1 })
      const at = Date.UTC(2026, 0, 31, 12)
      const sent = [1, 2, 4].map((v, i) => ({
        partition: 0,
        value: JSON.stringify({ k: 'k', v }),
        timestamp: String(at + i * 1_000),
      }))
      await produce(bench.topic, sent)
      await drain(bench.job({ source: { startFrom: { timestamp: new Date(at + 500) } } }))
      expect(await starts(bench)).toEqual(['0: 1 (timestamp)'])
      expect(await bench.totals()).toEqual([{ k: 'k', n: 2, total: 6 }])
      await drain(bench.job({ source: { startFrom: { timestamp: new Date(at) } } }))
      expect(await bench.positions()).toEqual([3])
      expect(await starts(bench)).toEqual(['0: 1 (timestamp)'])
    })

    test('begins at explicit offsets, inclusive, and at earliest where none is named', async () => {
      const bench = await openBench('explicit', { engine, partitions: 3 })
      await bench.produce(30)
      await drain(bench.job({ source: { startFrom: { offsets: { [bench.topic]: { 0: 4n, 2: 10n } } } } }))
      expect(await starts(bench)).toEqual(['0: 4 (offset)', '1: 0 (earliest)', '2: 10 (offset)'])
      const wanted = bench.produced.filter(({ partition, offset }) => offset >= ([4, 0, 10][partition] ?? 0))
      expect(await bench.actual()).toEqual(bench.expected(wanted))
    })

    test.each(['between two runs', 'while it claims'])(
      'resolves a symbolic start again that a deletion has passed %s',
      async (when) => {
        const bench = await openBench('expired', { engine, partitions: 1 })
        await bench.produce(20)
        if (when === 'between two runs') {
          const crash = withFaults((point) => {
            if (point === 'batch.fetched') throw new Error('crash')
          })
          await expect((await observe(bench.job(), { runtime: crash })).running.done).rejects.toThrow('crash')
          expect(await starts(bench)).toEqual(['0: 0 (earliest)'])
          await deleteRecordsBelow(bench.topic, 8)
          await drain(bench.job())
        } else {
          let claims = 0
          const runtime = withFaults(async (point) => {
            if (point === 'claim.after-commit' && ++claims === 1) await deleteRecordsBelow(bench.topic, 8)
          })
          await drain(bench.job(), { runtime })
        }
        expect(await starts(bench)).toEqual(['0: 8 (earliest)'])
        const left = bench.produced.filter(({ offset }) => offset >= 8)
        expect(await bench.actual()).toEqual(bench.expected(left))
      },
    )

    test('does not resolve an explicit start again that the log does not have', async () => {
      const bench = await openBench('gone', { engine, partitions: 1 })
      await bench.produce(20)
      await deleteRecordsBelow(bench.topic, 8)
      const startFrom = { offsets: { [bench.topic]: { 0: 3n } } }
      const error = await startFailure(bench.job({ source: { startFrom } }))
      expect(error).toMatchObject({
        code: 'OFFSET_OUT_OF_RANGE',
        message: expect.stringContaining(`records [3, 8) of ${bench.topic}/0 are no longer in the log`),
      })
    })
  })

  test('partitions added while the job runs are read from their beginning, without a restart', async () => {
    const bench = await openBench('grows', { engine, partitions: 1 })
    await bench.produce(20)
    const source = { startFrom: 'latest', metadataRefreshMs: 300 } as const
    const { running, heard } = await observe(bench.job({ source }))
    expect(await starts(bench)).toEqual(['0: 20 (latest)'])
    await bench.addPartitions(3)
    // Produced before the job has noticed the partitions: it must not begin behind these.
    await bench.produce(60)
    await bench.untilCommitted()
    await running.stop()
    expect(heard.claimed.map(({ claims }) => claims.map(({ partition }) => partition))).toEqual([[0], [1, 2]])
    expect(await starts(bench)).toEqual(['0: 20 (latest)', '1: 0 (earliest)', '2: 0 (earliest)'])
    expect(await bench.actual()).toEqual(bench.expected(bench.produced.slice(20)))
  })
})
