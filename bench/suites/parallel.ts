import { produceRepeated } from '../../test/support/raw-producer.ts'
import { stepsOf } from '../function-steps.ts'
import { OrderRuns, onGround } from '../order-runs.ts'
import { orderLog, partitions } from '../orders.ts'
import type { Suite } from '../suite.ts'

const workers = 2
const functionUs = 5

/** What worker threads bring to a job whose own function takes its time. */
export const parallel: Suite = {
  name: 'parallel',
  title: `w1 with a function that takes ${functionUs} microseconds a record: inline and in ${workers} worker threads`,
  engines: ['postgres', 'mysql', 'mariadb'],
  open: (settings) =>
    onGround(settings, async (ground) => {
      const log = orderLog(settings.records)
      const topic = await ground.topics.create('parallel', partitions)
      await produceRepeated(ground.topics.brokers, topic, log.batches)
      const runs = new OrderRuns(ground)
      const BENCH_STEPS = String(stepsOf(functionUs))
      const contestant = (name: string, count: number) => ({
        name,
        run: () =>
          runs.totals(
            { topic, name: `parallel ${name}`, env: { BENCH_STEPS, BENCH_WORKERS: String(count) } },
            log,
          ),
      })
      return {
        contestants: [contestant('inline', 0), contestant('workers', workers)],
        rows: [
          {
            id: 'parallel.workers/inline',
            title: `${workers} workers / inline`,
            target: { atLeast: 1.6 },
            of: (figure) => figure('workers') / figure('inline'),
          },
        ],
      }
    }),
}
