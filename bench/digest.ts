/*
 * What `ledger: { digest: true }` costs: the same backlog with and without, in turns, by the job whose records cost least. Told in
 * processor time, of which a machine that does other things too takes nothing away; medians over the rounds.
 *   npm run bench:digest -- --records 2000000 --rounds 3
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { produceRepeated } from '../test/support/raw-producer.ts'
import { orderLog, partitions } from './orders.ts'
import { grouped, JobProcess, openRig, wholeNumber } from './rig.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '3' },
  },
})
const { batches, records, revenue } = orderLog(wholeNumber('--records', values.records))
const rounds = wholeNumber('--rounds', values.rounds)

const rig = await openRig('digest', partitions)
try {
  await produceRepeated(rig.brokers, rig.topic, batches)
  const seconds = { without: [] as number[], with: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['without', 'with'] as const) seconds[kind].push(await run(kind === 'with'))
  }
  const [without, withDigest] = [median(seconds.without), median(seconds.with)]
  console.log(
    `${grouped.format(records)} records: processor ${without.toFixed(2)} s without digests, ${withDigest.toFixed(2)} s with them ` +
      `(${(withDigest / without).toFixed(2)} times), ${grouped.format(((withDigest - without) / records) * 1e9)} ns a record`,
  )
} finally {
  await rig.close()
}

/** Processor seconds of one job from the beginning of the log to its end, in empty tables. */
async function run(digest: boolean): Promise<number> {
  await rig.query(
    `DROP SCHEMA IF EXISTS oncesink CASCADE; DROP TABLE IF EXISTS orders;
     CREATE TABLE orders (item text PRIMARY KEY, orders bigint NOT NULL, revenue numeric(20, 2) NOT NULL)`,
  )
  const job = new JobProcess(
    join(import.meta.dirname, '../dist/cli/bin.js'),
    join(import.meta.dirname, 'digest-job.ts'),
    ['--once'],
    {
      BENCH_BROKERS: rig.brokers.join(','),
      BENCH_TOPIC: rig.topic,
      BENCH_DATABASE_URL: rig.databaseUrl,
      BENCH_DIGEST: String(digest),
    },
  )
  await job.ended
  const [row] = await rig.query<{ n: string; revenue: string }>(
    'SELECT sum(orders)::text AS n, sum(revenue)::text AS revenue FROM orders',
  )
  if (Number(row?.n) !== records || row?.revenue !== revenue)
    throw new Error(`the totals are wrong: ${JSON.stringify(row)}`)
  const [ledger] = await rig.query<{ digests: string }>(
    'SELECT count(digest)::text AS digests FROM oncesink.oncesink_batches',
  )
  if (Number(ledger?.digests) > 0 !== digest) throw new Error(`the ledger has ${ledger?.digests} digests`)
  return job.cpuSeconds
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
