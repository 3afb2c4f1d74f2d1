/*
 * What a database that slows down does to batches, and what its recovery does. Prints docs/scaling.md's table.
 *   npm run bench:slow-database
 *   npm run bench:slow-database -- --backpressure --interval-ms 1000
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { nextOrder, orderJson } from '../src/demo/orders.ts'
import { SeededRandom } from '../src/runtime/seeded-random.ts'
import { produceRepeated } from '../test/support/raw-producer.ts'
import { slowInserts } from '../test/support/slow-inserts.ts'
import { grouped, JobProcess, openRig, wholeNumber } from './rig.ts'

const PARTITIONS = 4
const BATCH_RECORDS = 1_000

const { values } = parseArgs({
  options: {
    backpressure: { type: 'boolean', default: false },
    'interval-ms': { type: 'string' },
    /** Record batches of a thousand in each partition. */
    thousands: { type: 'string', default: '1250' },
    /** What each row costs while the database is slow. */
    'row-us': { type: 'string', default: '200' },
    'phase-seconds': { type: 'string', default: '8' },
  },
})
const rowSeconds = wholeNumber('--row-us', values['row-us']) / 1e6
const phaseMs = wholeNumber('--phase-seconds', values['phase-seconds']) * 1_000
const times = wholeNumber('--thousands', values.thousands)

const rig = await openRig('slow_database', PARTITIONS)
try {
  await rig.query(`
    CREATE TABLE orders (item text NOT NULL, amount numeric(14, 2) NOT NULL);
    ${slowInserts('orders')}`)
  const random = new SeededRandom(7)
  const texts = Array.from({ length: BATCH_RECORDS }, (_, i) =>
    orderJson(nextOrder(random, i, BATCH_RECORDS)),
  )
  await produceRepeated(
    rig.brokers,
    rig.topic,
    Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, values: texts, times })),
  )
  const job = new JobProcess(
    join(import.meta.dirname, '../dist/cli/bin.js'),
    join(import.meta.dirname, 'slow-database-job.ts'),
    ['--once'],
    {
      BENCH_BROKERS: rig.brokers.join(','),
      BENCH_TOPIC: rig.topic,
      BENCH_DATABASE_URL: rig.databaseUrl,
      BENCH_BACKPRESSURE: String(values.backpressure),
      BENCH_INTERVAL_MS: values['interval-ms'] ?? (values.backpressure ? '1000' : '0'),
    },
  )
  let ended = false
  const done = job.ended.then(() => {
    ended = true
  })
  console.log(
    '| s | database | batches | limit (records) | processing time (ms) | scheduling delay (ms) | records/s | RSS (MiB) |',
  )
  console.log('|---|---|---|---|---|---|---|---|')
  while (job.batches.length === 0 && !ended) await Promise.race([sleep(20), done])
  const beganAt = Date.now()
  let reported = 0
  let phase = 'fast'
  const report = () => {
    const batches = job.batches.slice(reported)
    reported = job.batches.length
    const seconds = ((Date.now() - beganAt) / 1_000).toFixed(0)
    if (batches.length === 0) {
      console.log(`| ${seconds} | ${phase} | 0 | | | | | ${grouped.format(job.rssMib)} |`)
      return
    }
    const span = (pick: (batch: (typeof batches)[number]) => number | undefined) => {
      const numbers = batches.map((batch) => pick(batch) ?? 0)
      const [least, most] = [Math.min(...numbers), Math.max(...numbers)].map((n) => grouped.format(n))
      return least === most ? least : `${least} to ${most}`
    }
    const records = batches.reduce((sum, batch) => sum + batch.records, 0)
    console.log(
      `| ${seconds} | ${phase} | ${batches.length} | ${span((b) => b.limitRecords)} | ${span((b) => b.processingMs)} | ` +
        `${span((b) => b.schedulingDelayMs)} | ${grouped.format(records)} | ${grouped.format(job.rssMib)} |`,
    )
  }
  const during = async (name: string, slowness: number, ms: number) => {
    phase = name
    await rig.query(`UPDATE slowness SET row_seconds = ${slowness}`)
    for (let passed = 0; passed < ms && !ended; passed += 1_000) {
      await Promise.race([sleep(1_000), done])
      report()
    }
  }
  await during('fast', 0, phaseMs / 2)
  await during('slow', rowSeconds, phaseMs * 2)
  await during('healed', 0, Number.POSITIVE_INFINITY)
  await done
  const expected = times * PARTITIONS * BATCH_RECORDS
  const [actual] = await rig.query<{ rows: string }>('SELECT count(*)::text AS rows FROM orders')
  const isExact = Number(actual?.rows) === expected
  console.log(
    `\nrows ${isExact ? 'exact' : 'WRONG'}: ${actual?.rows} of ${expected}; peak RSS ${grouped.format(job.peakRssMib)} MiB`,
  )
  if (!isExact) process.exitCode = 1
} finally {
  await rig.close()
}
