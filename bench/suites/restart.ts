import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { OfferedOrders } from '../offered-orders.ts'
import { type Ground, OrderRuns, onGround } from '../order-runs.ts'
import { partitions } from '../orders.ts'
import type { Sample, Suite } from '../suite.ts'

const assignments = ['all', 'group'] as const
const perSecond = 1_000
/** How long the job runs before it is killed. */
const steadyMs = 1_000

/** SIGKILL, and the same command at once: how long until the next commit. */
export const restart: Suite = {
  name: 'restart',
  title: `SIGKILL to the first new commit, of w1 (json) with ${perSecond.toLocaleString('en-US')} records/s`,
  engines: ['postgres', 'mysql', 'mariadb'],
  open: (settings) =>
    onGround(settings, async (ground) => {
      const runs = new OrderRuns(ground)
      return {
        contestants: [
          ...assignments.map((assignment) => ({
            name: assignment,
            run: () => killOnce(ground, runs, assignment),
          })),
          { name: 'node alone', run: startNode },
        ],
        rows: [
          ...assignments.map((assignment) => ({
            id: `restart.${assignment}`,
            title: `assignment ${assignment} (s)`,
            target: { atMost: 1 },
            of: (figure: (name: string) => number) => figure(assignment),
          })),
          ...assignments.map((assignment) => ({
            id: `restart.${assignment}.loaded`,
            title: `of it, assignment ${assignment}: until Node and the job's modules are loaded (s)`,
            target: null,
            of: (figure: (name: string, which?: string) => number) => figure(assignment, 'loaded'),
          })),
          {
            id: 'restart.node',
            title: 'of it: a Node that does nothing (s)',
            target: null,
            of: (figure) => figure('node alone'),
          },
        ],
      }
    }),
}

async function killOnce({ topics }: Ground, runs: OrderRuns, assignment: string): Promise<Sample> {
  const topic = await topics.create('restart', partitions)
  const run = await runs.next()
  const order = { topic, name: `restart ${assignment}`, env: { BENCH_ASSIGNMENT: assignment } }
  const offered = new OfferedOrders()
  offered.start(topics.brokers, topic, { partitions, perSecond, everyMs: 10 })
  const first = runs.start(run, order)
  await first.until(({ batches }) => batches.length > 0)
  await sleep(steadyMs)
  const killedAtMs = Date.now()
  await first.kill()
  const second = runs.start(run, order)
  await second.until(({ batches }) => batches.length > 0)
  const seconds = ((second.batches[0]?.atMs ?? Number.NaN) - killedAtMs) / 1_000
  await offered.stop()
  await second.until(({ batches }) => batches.at(-1)?.lagRecords === 0)
  await second.stop()
  await runs.check(`orders_${run}`, offered, `restart ${assignment}`)
  return { value: seconds, figures: { loaded: (second.loadedAtMs - killedAtMs) / 1_000 } }
}

async function startNode(): Promise<Sample> {
  const beganAt = performance.now()
  await promisify(execFile)(process.execPath, ['-e', ''])
  return { value: (performance.now() - beganAt) / 1_000 }
}
