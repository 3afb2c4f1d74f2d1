import { produceRepeated } from '../../test/support/raw-producer.ts'
import { OrderRuns, onGround } from '../order-runs.ts'
import { type OrderLogOptions, orderLog, STEADY } from '../orders.ts'
import type { Contestant, Row, Sample, Suite } from '../suite.ts'

interface Size extends OrderLogOptions {
  readonly name: string
  /** Records, for each one asked for. */
  readonly factor: number
}

/** The same batches whatever the number of partitions: what parsing them costs depends on how many texts they have. */
const base = { name: '4 partitions', factor: STEADY, partitions: 4, keys: 1_000, distinctBatches: 512 }
const sizes: readonly Size[] = [
  base,
  { ...base, name: '64 partitions', partitions: 64 },
  { ...base, name: '512 partitions', partitions: 512 },
  { ...base, name: '1 million records', factor: 1 / 2 },
  { ...base, name: '10 million records', factor: 5 },
  { ...base, name: '100,000 keys', factor: 1, keys: 100_000 },
  { ...base, name: '1,000,000 keys', factor: 1, keys: 1_000_000 },
]

/** Whether more of something makes a job slower for each record, or for each row that it writes. */
export const growth: Suite = {
  name: 'growth',
  title: 'w1 (json) with more partitions, records and keys; for the default of --records',
  engines: ['postgres', 'mysql', 'mariadb'],
  turns: (runs) => Math.ceil(runs / 2),
  open: (settings) =>
    onGround(settings, async (ground) => {
      const runs = new OrderRuns(ground)
      const contestants: Contestant[] = []
      for (const { name, factor, ...options } of sizes) {
        const log = orderLog(settings.records * factor, options)
        settings.log(`producing ${log.records} records: ${name}`)
        const topic = await ground.topics.create('growth', options.partitions ?? base.partitions)
        await produceRepeated(ground.topics.brokers, topic, log.batches)
        // The records themselves are not needed any more.
        const { totals, records } = log
        contestants.push({
          name,
          run: async (): Promise<Sample> => {
            const { run, ...sample } = await runs.totals(
              { topic, name: `growth ${name}` },
              { totals, records },
            )
            const rows = run.job.batches.reduce((sum, batch) => sum + batch.rows, 0)
            return { ...sample, figures: { cpuUsPerRow: (run.job.cpuSeconds * 1e6) / rows } }
          },
        })
      }
      return { contestants, rows }
    }),
}

const rate = (of: string, to: string): Row => ({
  id: `growth.${of.replaceAll(' ', '-')}`,
  title: `rate with ${of} / with ${to}`,
  target: { atLeast: 0.8 },
  of: (figure) => figure(of) / figure(to),
})

const perRow = (of: string, to: string): Row => ({
  id: `growth.${of.replaceAll(' ', '-')}`,
  title: `processor time per row written with ${of} / with ${to === base.name ? '1,000 keys' : to}`,
  target: { atMost: 1.2 },
  of: (figure) => figure(of, 'cpuUsPerRow') / figure(to, 'cpuUsPerRow'),
})

const rows: readonly Row[] = [
  rate('64 partitions', base.name),
  rate('512 partitions', base.name),
  rate('10 million records', '1 million records'),
  perRow('100,000 keys', base.name),
  perRow('1,000,000 keys', '100,000 keys'),
]
