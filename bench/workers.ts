/*
 * What worker threads bring to a job whose own function takes its time, against the same job inline; and what memory
 * they take.
 *   npm run bench:workers -- --records 2000000 --workers 2 --function-us 5
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { produceRepeated } from '../test/support/raw-producer.ts'
import { stepsOf } from './function-steps.ts'
import { orderLog, partitions } from './orders.ts'
import { grouped, JobProcess, openRig, wholeNumber } from './rig.ts'

/** Megabytes of peak RSS that the job may have inline, and more for each worker. */
const INLINE_MIB = 300
const WORKER_MIB = 80

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '2000000' },
    workers: { type: 'string', default: '2' },
    'function-us': { type: 'string', default: '5' },
    rounds: { type: 'string', default: '1' },
  },
})
const workers = wholeNumber('--workers', values.workers)
const { batches, records, revenue } = orderLog(wholeNumber('--records', values.records))
const steps = stepsOf(Number(values['function-us']))

const rig = await openRig('workers', partitions)
try {
  await produceRepeated(rig.brokers, rig.topic, batches)

  let runs = 0
  const run = async (count: number) => {
    const name = `r${++runs}`
    await rig.query(
      `CREATE TABLE orders_${name} (item text PRIMARY KEY, orders bigint NOT NULL, revenue numeric(20, 2) NOT NULL)`,
    )
    const oncesink = join(import.meta.dirname, '../dist/cli/bin.js')
    const job = new JobProcess(oncesink, join(import.meta.dirname, 'workers-job.ts'), ['--once'], {
      BENCH_BROKERS: rig.brokers.join(','),
      BENCH_TOPIC: rig.topic,
      BENCH_DATABASE_URL: rig.databaseUrl,
      BENCH_WORKERS: String(count),
      BENCH_STEPS: String(steps),
      BENCH_RUN: name,
    })
    await job.ended
    const [first, last] = [job.batches[0], job.batches.at(-1)]
    if (!(first && last)) throw new Error('the job has committed nothing')
    const [total] = await rig.query<{ orders: string; revenue: string }>(
      `SELECT sum(orders)::text AS orders, sum(revenue)::text AS revenue FROM orders_${name}`,
    )
    const isExact = Number(total?.orders) === records && total?.revenue === revenue
    const perSecond = ((records - first.records) / (last.atMs - first.atMs)) * 1_000
    const maxMib = INLINE_MIB + count * WORKER_MIB
    console.log(
      `${(count === 0 ? 'inline' : `${count} workers`).padEnd(10)} ${grouped.format(perSecond).padStart(10)} records/s  ` +
        `peak RSS ${grouped.format(job.peakRssMib)} MiB (limit ${maxMib})  processor ${job.cpuSeconds.toFixed(1)} s  ` +
        `${isExact ? 'totals exact' : `totals WRONG: ${JSON.stringify(total)}`}`,
    )
    if (!isExact || job.peakRssMib > maxMib) process.exitCode = 1
    return perSecond
  }

  console.log(
    `${grouped.format(records)} records in ${partitions} partitions, a function of ${values['function-us']} µs (${steps} steps)`,
  )
  const ratios: number[] = []
  // In turns, so that both are run in the same minutes.
  for (let round = 0; round < wholeNumber('--rounds', values.rounds); round++) {
    const inline = await run(0)
    ratios.push((await run(workers)) / inline)
  }
  const median = ratios.toSorted((a, b) => a - b)[ratios.length >> 1] ?? 0
  console.log(`ratio      ${median.toFixed(2)} (${workers} workers / inline, median of ${ratios.length})`)
} finally {
  await rig.close()
}
