import { expect, test } from 'vitest'
import type { JobOptions } from '../../src/job/define-job.ts'
import { repartitionToOne } from '../../src/strategy/repartition-to-one.ts'
import { onEveryEngine } from '../support/engines.ts'
import { type Bench, drain, openBench, withFaults } from '../support/running-job.ts'

/** A batch has everything that there is, from the first one on; its chunks are small. */
const oneBatch = {
  strategy: repartitionToOne({ chunkRecords: 40, maxStallMs: 1_000 }),
  trigger: { intervalMs: 10 },
  rate: { backpressure: true, initialRatePerPartition: 1_000_000 },
} as const satisfies Partial<JobOptions>

onEveryEngine((engine) => {
  const open = () => openBench('repartition', { engine, partitions: 3 })
  const batches = async (bench: Bench) => {
    const rows = (await bench.ledger()).filter(({ kind }) => kind === 'batch')
    return new Set(rows.map((row) => row.batch_id)).size
  }

  test('many chunks are one transaction: nothing is seen before its COMMIT, everything after it', async () => {
    const bench = await open()
    await bench.produce(400)
    let visible = 0
    let chunks = 0
    const runtime = withFaults(async (point) => {
      if (point === 'batch.computed') chunks += 1
      if (point === 'transaction.rows-written') visible += (await bench.seen()).length
    })
    const { heard } = await drain(bench.job(oneBatch), { runtime })
    expect(await bench.actual()).toEqual(bench.expected())
    expect({ batches: await batches(bench), visible, events: heard.batch.length }).toEqual({
      batches: 1,
      visible: 0,
      events: 1,
    })
    expect(chunks).toBeGreaterThanOrEqual(10)
    expect(heard.batch[0]).toMatchObject({ records: 400, rows: 405 })
  })
})
