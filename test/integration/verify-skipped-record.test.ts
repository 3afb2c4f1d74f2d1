import { expect, test, vi } from 'vitest'
import { drain, openBench } from '../support/running-job.ts'
import { verified } from '../support/verified.ts'

/** The record batch that the job's reader leaves out. */
const skipped = 10

vi.mock(import('../../src/source/kafka/visible-batches.ts'), async (load) => {
  const original = await load()
  return {
    ...original,
    committedBatches: (...args: Parameters<typeof original.committedBatches>) =>
      original.committedBatches(...args).filter(({ baseOffset }) => baseOffset !== skipped),
  }
})

test('records that the reader of the job leaves out are found by the check, which reads by another one', async () => {
  const bench = await openBench('verify-skipped', { partitions: 1 })
  for (let batch = 0; batch < 3; batch++) await bench.produce(10)
  await drain(bench.job())
  expect(await bench.positions()).toEqual([30])
  const report = await verified(bench.job())
  expect(report.outcome, report.text).toBe('violation')
  expect(report).toMatchObject({ recordsReplayed: 30, lost: 10n, duplicated: 0n })
  expect(report.controlTotals?.violations.first).toMatchObject([
    {
      class: 'record-count',
      message: expect.stringMatching(/committed 20 records .* and the log has 30 there$/),
    },
  ])
  expect(report.tables.map(({ differences }) => differences.total > 0)).toEqual([true, true])
})
