import { describe, expect, test } from 'vitest'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { deleteRecordsBelow, kafkaAdmin, kafkaTransaction } from '../support/kafka-admin.ts'
import { drain, observe, openBench, withFaults } from '../support/running-job.ts'

onEveryEngine((engine) => {
  describe('a start before anything was committed', () => {
    test('latest: records that came after it are owed, and what retention has taken of them halts the job', async () => {
      const bench = await openBench('owed', { engine, partitions: 1 })
      const job = bench.job({ source: { startFrom: 'latest' } })
      await drain(job)
      await bench.produce(100)
      await deleteRecordsBelow(bench.topic, 10)
      for (let round = 0; round < 2; round++) {
        await expect(drain(job)).rejects.toMatchObject({
          code: 'OFFSET_OUT_OF_RANGE',
          message: expect.stringContaining(`records [0, 10) of ${bench.topic}/0 are no longer in the log`),
        })
      }
      expect(await bench.positions()).toEqual([0])
      expect(await bench.seen()).toEqual([])
    })

    test('earliest: begins at what the log has now, and says which offset it had recorded', async () => {
      const bench = await openBench('renewed', { engine, partitions: 1 })
      await bench.produce(20)
      const crash = withFaults((point) => {
        if (point === 'batch.fetched') throw new Error('crash')
      })
      await expect((await observe(bench.job(), { runtime: crash })).running.done).rejects.toThrow('crash')
      await deleteRecordsBelow(bench.topic, 8)
      const { heard } = await drain(bench.job())
      expect(heard.warning.map(({ message }) => message)).toEqual([
        expect.stringContaining(`the recorded start 0 of ${bench.topic}/0 is no longer in the log`),
      ])
      expect(await bench.actual()).toEqual(bench.expected(bench.produced.filter(({ offset }) => offset >= 8)))
    })
  })

  test('a partition with nothing but aborted transactions keeps up while another one commits records all the time', async () => {
    const bench = await openBench('markers', { engine, partitions: 2 })
    await bench.produce(2)
    const { running } = await observe(bench.job())
    await bench.untilCommitted()
    for (let i = 0; i < 5; i++) {
      const transaction = await kafkaTransaction(bench.name)
      await transaction.send({ topic: bench.topic, messages: [{ partition: 1, value: '{"k":"x","v":1}' }] })
      await transaction.abort()
    }
    const admin = await kafkaAdmin()
    const ends = await admin.fetchTopicOffsets(bench.topic)
    const end = Number(ends.find(({ partition }) => partition === 1)?.high)
    expect(end).toBeGreaterThan(5)
    await eventually(async () => {
      await bench.produce(1, 0)
      // Past it, where the marker of the last transaction was not there yet.
      return Number((await bench.positions())[1]) >= end
    }, 15_000)
    await bench.untilCommitted()
    await running.stop()
    expect(await bench.totals()).toEqual(bench.expected().totals)
  })
})
