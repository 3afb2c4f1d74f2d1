/*
 * One batch of millions of appended rows in one transaction: in how much memory.
 *   npm run bench:repartition -- --records 5000000
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { produceRepeated } from '../test/support/raw-producer.ts'
import { orderLog, partitions } from './orders.ts'
import { grouped, JobProcess, openRig, wholeNumber } from './rig.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '5000000' },
    'max-rss-mib': { type: 'string', default: '300' },
    /** Another build to compare with: its program. */
    oncesink: { type: 'string', default: join(import.meta.dirname, '../dist/cli/bin.js') },
    /** Arguments of Node, such as --cpu-prof. */
    node: { type: 'string', multiple: true, default: [] },
  },
})
const maxRssMib = wholeNumber('--max-rss-mib', values['max-rss-mib'])
const { batches, records, revenue } = orderLog(wholeNumber('--records', values.records))

const rig = await openRig('repartition', partitions)
try {
  await rig.query(
    `CREATE TABLE orders (item text NOT NULL, "user" text NOT NULL, amount numeric(14, 2) NOT NULL, at timestamptz NOT NULL,
       part int NOT NULL, log_offset bigint NOT NULL)`,
  )
  await produceRepeated(rig.brokers, rig.topic, batches)

  const job = new JobProcess(
    values.oncesink,
    join(import.meta.dirname, 'repartition-job.ts'),
    ['--once'],
    { BENCH_BROKERS: rig.brokers.join(','), BENCH_TOPIC: rig.topic, BENCH_DATABASE_URL: rig.databaseUrl },
    values.node,
  )
  await job.ended
  const [largest] = [...job.batches].sort((a, b) => b.records - a.records)
  if (!largest) throw new Error('the job has committed nothing')
  const seconds = (largest.processingMs ?? 0) / 1_000
  const [actual] = await rig.query<{ rows: string; amount: string; distinct: string; batches: string }>(
    `SELECT count(*)::text AS rows, sum(amount)::text AS amount, count(DISTINCT (part, log_offset))::text AS distinct,
       (SELECT count(DISTINCT batch_id)::text FROM oncesink.oncesink_batches WHERE kind = 'batch') AS batches FROM orders`,
  )
  const isExact =
    Number(actual?.rows) === records && Number(actual?.distinct) === records && actual?.amount === revenue
  console.log(`records             ${grouped.format(records)} in ${actual?.batches} batches, the largest of ${grouped.format(largest.records)}
took                ${seconds.toFixed(1)} s for the largest
rows/s              ${grouped.format(largest.records / seconds)}
processor time      ${job.cpuSeconds.toFixed(1)} s
peak RSS            ${grouped.format(job.peakRssMib)} MiB (limit ${maxRssMib})
rows                ${isExact ? `exact: ${grouped.format(records)}, ${revenue} in all` : `WRONG: ${JSON.stringify(actual)}, expected ${records} and ${revenue}`}`)
  if (!isExact || job.peakRssMib > maxRssMib) process.exitCode = 1
} finally {
  await rig.close()
}
