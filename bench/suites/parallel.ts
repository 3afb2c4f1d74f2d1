import { produceRepeated } from '../../test/support/raw-producer.ts'
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

/** How many steps of the job's function take `us` microseconds here: of the fastest of five tries. */
function stepsOf(us: number): number {
  const probe = 3_000_000
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const beganAt = performance.now()
    let x = 1.5
    for (let i = 0; i < probe; i++) x = Math.sqrt(x * x + i)
    if (x >= 0) best = Math.min(best, performance.now() - beganAt)
  }
  return Math.max(1, Math.round(us / ((best * 1_000) / probe)))
}
