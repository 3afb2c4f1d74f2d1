/*
 * What each strategy costs: the same backlog, once as rows that are appended and once as groups that are merged, with all
 * strategies in turns, round after round. Figures are medians over the rounds; on a machine that does other things too only
 * their relations say something.
 *   npm run bench:strategies -- --records 200000 --rounds 3
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { produceRepeated } from '../test/support/raw-producer.ts'
import { orderLog, partitions } from './orders.ts'
import { type BatchLine, grouped, JobProcess, openRig, wholeNumber } from './rig.ts'

const STRATEGIES = ['collectThenCommit', 'repartitionToOne', 'perPartition', 'fileHandoff']
const SINKS = ['append', 'merge']

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
  },
})
const { batches, records } = orderLog(wholeNumber('--records', values.records))
const rounds = wholeNumber('--rounds', values.rounds)

interface Run {
  readonly seconds: number
  readonly rssMib: number
  readonly commitMs: number
}

const rig = await openRig('strategies', partitions)
const directory = await mkdtemp(join(tmpdir(), 'oncesink-bench-'))
try {
  await produceRepeated(rig.brokers, rig.topic, batches)

  const runs = new Map<string, Run[]>()
  for (let round = 1; round <= rounds; round++) {
    for (const sink of SINKS) {
      for (const strategy of STRATEGIES) {
        const key = `${sink} ${strategy}`
        runs.set(key, [...(runs.get(key) ?? []), await run(sink, strategy)])
      }
    }
    console.log(`round ${round} of ${rounds} done`)
  }
  console.log(`\n${grouped.format(records)} records of ${partitions} partitions, median of ${rounds} rounds`)
  for (const sink of SINKS) {
    console.log(`\n${sink.padEnd(20)}records/s   relative   peak RSS   commit`)
    const base = median(runs.get(`${sink} ${STRATEGIES[0]}`)?.map(({ seconds }) => seconds) ?? [])
    for (const strategy of STRATEGIES) {
      const own = runs.get(`${sink} ${strategy}`) ?? []
      const seconds = median(own.map((one) => one.seconds))
      console.log(
        strategy.padEnd(20) +
          grouped.format(records / seconds).padStart(9) +
          (base / seconds).toFixed(2).padStart(11) +
          `${grouped.format(median(own.map(({ rssMib }) => rssMib)))} MiB`.padStart(11) +
          `${grouped.format(median(own.map(({ commitMs }) => commitMs)))} ms`.padStart(9),
      )
    }
  }
} finally {
  await rig.close()
  await rm(directory, { recursive: true, force: true })
}

/** One job from the beginning of the log to its end, in empty tables. */
async function run(sink: string, strategy: string): Promise<Run> {
  await rig.query(
    `DROP SCHEMA IF EXISTS oncesink CASCADE; DROP TABLE IF EXISTS orders, items;
     CREATE TABLE orders (item text NOT NULL, amount double precision NOT NULL, at timestamptz NOT NULL);
     CREATE TABLE items (item text PRIMARY KEY, orders bigint NOT NULL)`,
  )
  const job = new JobProcess(
    join(import.meta.dirname, '../dist/cli/bin.js'),
    join(import.meta.dirname, 'strategies-job.ts'),
    ['--once'],
    {
      BENCH_BROKERS: rig.brokers.join(','),
      BENCH_TOPIC: rig.topic,
      BENCH_DATABASE_URL: rig.databaseUrl,
      BENCH_DIRECTORY: join(directory, `${sink}-${strategy}`),
      BENCH_STRATEGY: strategy,
      BENCH_SINK: sink,
    },
  )
  await job.ended
  const seconds = (Date.now() - job.runningAtMs) / 1_000
  const counted =
    sink === 'append' ? 'SELECT count(*) AS n FROM orders' : 'SELECT sum(orders) AS n FROM items'
  const [row] = await rig.query<{ n: string }>(counted)
  if (Number(row?.n) !== records) throw new Error(`${strategy}: ${row?.n} of ${records} records are there`)
  const commits = job.batches.map((batch) => (batch as BatchLine & { transactionMs: number }).transactionMs)
  return { seconds, rssMib: job.peakRssMib, commitMs: median(commits) }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
