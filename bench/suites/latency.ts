import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchDatabase } from '../database.ts'
import { type Offered, OfferedOrders } from '../offered-orders.ts'
import { type Ground, OrderRuns, onGround } from '../order-runs.ts'
import { partitions } from '../orders.ts'
import type { Sample, Suite } from '../suite.ts'

const perSecond = 10_000
const everyMs = 5
/** What is not counted: the first records, while the job's code is still being compiled. */
const warmUpMs = 2_000

/** How long a record takes from its timestamp to the table, at a load that is no load. */
export const latency: Suite = {
  name: 'latency',
  title: `w1 (json), ${perSecond.toLocaleString('en-US')} records/s offered: record timestamp to visible in the table`,
  engines: ['postgres', 'mysql', 'mariadb'],
  open: (settings) =>
    onGround(settings, async (ground) => {
      const runs = new OrderRuns(ground)
      return {
        contestants: [{ name: 'latency', run: () => measureLatency(ground, runs) }],
        rows: [
          {
            id: 'latency.p50',
            title: 'median (ms)',
            target: { atMost: 15 },
            of: (figure) => figure('latency'),
          },
          {
            id: 'latency.p99',
            title: '99th percentile (ms)',
            target: { atMost: 50 },
            of: (figure) => figure('latency', 'p99'),
          },
          {
            id: 'latency.max',
            title: 'longest (ms)',
            target: null,
            of: (figure) => figure('latency', 'max'),
          },
        ],
      }
    }),
}

async function measureLatency(ground: Ground, runs: OrderRuns): Promise<Sample> {
  const { settings, topics, database } = ground
  const topic = await topics.create('latency', partitions)
  const run = await runs.next()
  const job = runs.start(run, { topic, name: 'latency', env: { BENCH_ASSIGNMENT: 'all' } })
  await job.until(({ runningAtMs }) => runningAtMs > 0)
  const offered = new OfferedOrders()
  const watch = watchPositions(database, `orders-${run}`)
  const beganAtMs = Date.now()
  offered.start(topics.brokers, topic, { partitions, perSecond, everyMs })
  // Ten seconds for the default of 2,000,000, and half a second at least.
  const measuredMs = Math.max(500, settings.records / 200)
  const countedFromMs = beganAtMs + Math.min(warmUpMs, measuredMs)
  await sleep(countedFromMs - Date.now() + measuredMs)
  await offered.stop()
  await watch.until(offered.batches)
  await job.stop()
  await runs.check(`orders_${run}`, offered, 'latency')
  const ages = agesOf(offered.batches, watch.seen, countedFromMs)
  const at = (share: number) => ages[Math.min(ages.length - 1, Math.floor(ages.length * share))] ?? Number.NaN
  return {
    value: at(0.5),
    figures: { p99: at(0.99), max: at(1) },
    peakRssMib: job.peakRssMib,
    cpuSeconds: job.cpuSeconds,
  }
}

/** That the position of a partition was at `next` by then: rows become visible with it, for they are one transaction. */
interface Seen {
  readonly partition: number
  readonly next: number
  readonly atMs: number
}

/** Looks at the positions again and again, a millisecond after each answer. */
function watchPositions(database: BenchDatabase, job: string) {
  const seen: Seen[] = []
  const last = new Map<number, number>()
  const own = database.engine === 'postgres' ? 'oncesink.' : ''
  const look = async () => {
    const rows = await database.rows<{ partition: number; next_offset: string }>(
      `SELECT * FROM ${own}oncesink_offsets WHERE job = '${job}'`,
    )
    const atMs = Date.now()
    for (const row of rows) {
      const [partition, next] = [Number(row.partition), Number(row.next_offset)]
      if (next === (last.get(partition) ?? 0)) continue
      last.set(partition, next)
      seen.push({ partition, next, atMs })
    }
  }
  let isStopped = false
  const watching = (async () => {
    while (!isStopped) {
      await look()
      await sleep(1)
    }
  })()
  let failure: unknown = null
  watching.catch((error: unknown) => {
    failure = error
  })
  return {
    seen,
    /** Goes on until all of these are there. @throws Error when that takes longer than 30 s */
    async until(batches: readonly Offered[]): Promise<void> {
      const deadline = Date.now() + 30_000
      const isThere = ({ partition, from, records }: Offered) => (last.get(partition) ?? 0) >= from + records
      while (failure === null && !batches.every(isThere)) {
        if (Date.now() > deadline) throw new Error('not all that was offered is in the table after 30 s')
        await sleep(5)
      }
      isStopped = true
      await watching
    },
  }
}

/** Ages of all records from that time on when they were first seen in the table, in milliseconds, the shortest first. */
function agesOf(batches: readonly Offered[], seen: readonly Seen[], fromMs: number): number[] {
  const byPartition = new Map<number, Seen[]>()
  for (const step of seen) {
    const steps = byPartition.get(step.partition) ?? []
    byPartition.set(step.partition, [...steps, step])
  }
  const ages: number[] = []
  for (const { partition, from, records, timestampMs } of batches) {
    if (timestampMs < fromMs) continue
    const steps = byPartition.get(partition) ?? []
    for (let offset = from; offset < from + records; ) {
      const step = steps.find(({ next }) => next > offset)
      if (!step) throw new Error(`offset ${offset} of partition ${partition} was never seen`)
      const until = Math.min(from + records, step.next)
      for (; offset < until; offset++) ages.push(step.atMs - timestampMs)
    }
  }
  return ages.sort((a, b) => a - b)
}
