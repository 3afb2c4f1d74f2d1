/*
 * A job that was down for long: how fast it works a backlog off, and in how much memory.
 *   npm run bench:backlog -- --records 10000000
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { produceRepeated } from '../test/support/raw-producer.ts'
import { orderLog, partitions } from './orders.ts'
import { grouped, JobProcess, openRig, wholeNumber } from './rig.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '10000000' },
    executor: { type: 'string', default: 'inline' },
    /** `limits.maxBufferedBytes` of the job; 64 is its default. */
    'buffered-mib': { type: 'string', default: '64' },
    'max-rss-mib': { type: 'string', default: '300' },
    /** Another build to compare with: its program. */
    oncesink: { type: 'string', default: join(import.meta.dirname, '../dist/cli/bin.js') },
  },
})
if (values.executor !== 'inline') throw new Error(`--executor must be inline, not '${values.executor}'`)
const maxRssMib = wholeNumber('--max-rss-mib', values['max-rss-mib'])
const { batches, records, revenue } = orderLog(wholeNumber('--records', values.records))
const lengths = batches.flatMap((batch) => batch.values.map((value) => value.length))
const bytes = lengths.reduce((sum, length) => sum + length, 0) / lengths.length

const rig = await openRig('backlog', partitions)
try {
  await rig.query(
    'CREATE TABLE orders_by_item (item text PRIMARY KEY, orders bigint NOT NULL, revenue numeric(20, 2) NOT NULL)',
  )
  const seededAt = performance.now()
  await produceRepeated(rig.brokers, rig.topic, batches)
  const seedSeconds = (performance.now() - seededAt) / 1_000

  const job = new JobProcess(values.oncesink, join(import.meta.dirname, 'backlog-job.ts'), ['--once'], {
    BENCH_BROKERS: rig.brokers.join(','),
    BENCH_TOPIC: rig.topic,
    BENCH_BUFFERED_MIB: String(wholeNumber('--buffered-mib', values['buffered-mib'])),
    BENCH_DATABASE_URL: rig.databaseUrl,
  })
  const startedAt = performance.now()
  await job.ended
  const seconds = (performance.now() - startedAt) / 1_000

  const [first] = job.batches
  const last = job.batches.at(-1)
  if (!(first && last)) throw new Error('the job has committed nothing')
  const workSeconds = (last.atMs - first.atMs) / 1_000
  const [actual] = await rig.query<{ orders: string; revenue: string; items: string }>(
    'SELECT sum(orders)::text AS orders, sum(revenue)::text AS revenue, count(*)::text AS items FROM orders_by_item',
  )
  const isExact = Number(actual?.orders) === records && actual?.revenue === revenue
  const limits = job.batches.map(({ limitRecords }) => limitRecords ?? 0)
  console.log(`records             ${grouped.format(records)} of ${Math.round(bytes)} bytes, ${partitions} partitions, seeded in ${seedSeconds.toFixed(1)} s
executor            ${values.executor}
took                ${seconds.toFixed(1)} s from the start of the process, ${workSeconds.toFixed(1)} s from the first commit to the last
records/s           ${grouped.format((records - first.records) / workSeconds)} between these commits
batches             ${job.batches.length}; limits ${limits.slice(0, 12).join(' ')} ... ${limits.at(-1)}
processor time      ${job.cpuSeconds.toFixed(1)} s
peak RSS            ${grouped.format(job.peakRssMib)} MiB (limit ${maxRssMib})
totals              ${isExact ? `exact: ${grouped.format(records)} orders, ${revenue} revenue, ${actual?.items} items` : `WRONG: ${JSON.stringify(actual)}, expected ${records} and ${revenue}`}`)
  if (!isExact || job.peakRssMib > maxRssMib) process.exitCode = 1
} finally {
  await rig.close()
}
