import { setTimeout as sleep } from 'node:timers/promises'
import { produceRepeated } from '../../test/support/raw-producer.ts'
import { OrderRuns, onGround } from '../order-runs.ts'
import { orderLog, partitions } from '../orders.ts'
import type { Suite } from '../suite.ts'

const assignments = ['all', 'group'] as const
const settleMs = 3_000

/** What a job costs that has worked everything off. */
export const idle: Suite = {
  name: 'idle',
  title: 'processor time of a job that has nothing to read, for 20 seconds (less with fewer --records)',
  engines: ['postgres', 'mysql', 'mariadb'],
  turns: (runs) => Math.ceil(runs / 2),
  open: (settings) =>
    onGround(settings, async (ground) => {
      const isShort = settings.records < 100_000
      const [log, watchMs] = [orderLog(Math.min(settings.records, 100_000)), isShort ? 1_000 : 20_000]
      const topic = await ground.topics.create('idle', partitions)
      await produceRepeated(ground.topics.brokers, topic, log.batches)
      const runs = new OrderRuns(ground)
      const watch = async (assignment: string) => {
        const run = await runs.next()
        const env = { BENCH_ASSIGNMENT: assignment }
        const job = runs.start(run, { topic, name: `idle ${assignment}`, env })
        await job.until(
          ({ batches }) => batches.reduce((sum, batch) => sum + batch.records, 0) >= log.records,
        )
        await sleep(isShort ? 0 : settleMs)
        const [before, since] = [job.cpuNow(), performance.now()]
        await sleep(watchMs)
        const share = ((job.cpuNow() - before) * 1_000) / (performance.now() - since)
        await job.stop()
        await runs.check(`orders_${run}`, log, `idle ${assignment}`)
        return { value: share, peakRssMib: job.peakRssMib }
      }
      return {
        contestants: assignments.map((assignment) => ({ name: assignment, run: () => watch(assignment) })),
        rows: assignments.map((assignment) => ({
          id: `idle.${assignment}`,
          title: `share of a core, assignment ${assignment}`,
          target: { atMost: 0.01 },
          of: (figure) => figure(assignment),
        })),
      }
    }),
}
