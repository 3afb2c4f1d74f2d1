import { produceRepeated } from '../../test/support/raw-producer.ts'
import { type Ground, OrderRuns, onGround } from '../order-runs.ts'
import { type OrderLog, orderLog, partitions } from '../orders.ts'
import type { Row, Sample, Suite } from '../suite.ts'

/** Backlog for each record asked for: 10 million for the default 2. */
const backlogFactor = 5
const maxRssMib = 300
/** How much more a job may have in the last third of its time than in the second. */
const maxGrowth = 1.1

/** A job that was down for long: in how much memory it works a backlog off, and whether that grows. */
export const memory: Suite = {
  name: 'memory',
  title: `resident memory during a backlog of ${backlogFactor} times --records, w1 and w2`,
  engines: ['postgres', 'mysql', 'mariadb'],
  turns: (runs) => Math.ceil(runs / 5),
  open: (settings) =>
    onGround(settings, async (ground) => {
      const log = orderLog(settings.records * backlogFactor)
      settings.log(`producing ${log.records} records`)
      const topic = await ground.topics.create('memory', partitions)
      await produceRepeated(ground.topics.brokers, topic, log.batches)
      const runs = new OrderRuns(ground)
      const totals = (name: string, decoder: string) => ({
        name,
        run: async () => {
          const sample = await runs.totals(
            { topic, name: `memory ${name}`, env: { BENCH_DECODER: decoder } },
            log,
          )
          return memoryOf(sample.run.job)
        },
      })
      return {
        contestants: [
          totals('w1 json', 'json'),
          totals('w1 fields', 'fields'),
          { name: 'w2', run: () => appendAll(ground, runs, topic, log) },
        ],
        rows: ['w1 json', 'w1 fields', 'w2'].flatMap(rowsOf),
      }
    }),
}

function rowsOf(name: string): Row[] {
  const id = name.replace(' ', '-')
  return [
    {
      id: `memory.${id}.rss`,
      title: `${name}: largest resident set (MiB)`,
      target: { atMost: maxRssMib },
      of: (figure) => figure(name),
    },
    {
      id: `memory.${id}.growth`,
      title: `${name}: mean resident set, last third of the time / second third`,
      target: { atMost: maxGrowth },
      of: (figure) => figure(name, 'growth'),
    },
  ]
}

async function appendAll(
  { database }: Ground,
  runs: OrderRuns,
  topic: string,
  log: OrderLog,
): Promise<Sample> {
  const { job, table } = await runs.drain({ topic, name: 'memory w2', env: { BENCH_SINK: 'append' } })
  const [written] = await database.rows<{ orders: string; positions: string; revenue: string }>(
    `SELECT count(*) AS orders, count(DISTINCT part, log_offset) AS positions, sum(amount) AS revenue FROM ${table}`.replace(
      'DISTINCT part, log_offset',
      database.engine === 'postgres' ? 'DISTINCT (part, log_offset)' : 'DISTINCT part, log_offset',
    ),
  )
  const isExact = Number(written?.orders) === log.records && Number(written?.positions) === log.records
  if (!isExact || written?.revenue !== log.revenue) {
    throw new Error(`memory w2 has written ${JSON.stringify(written)}, not ${log.records} and ${log.revenue}`)
  }
  await database.run(`DROP TABLE ${table}`)
  return memoryOf(job)
}

function memoryOf({
  peakRssMib,
  cpuSeconds,
  rssSamples,
}: {
  readonly peakRssMib: number
  readonly cpuSeconds: number
  readonly rssSamples: readonly number[]
}): Sample {
  const third = Math.floor(rssSamples.length / 3)
  const mean = (samples: readonly number[]) => samples.reduce((sum, mib) => sum + mib, 0) / samples.length
  const growth = mean(rssSamples.slice(-third)) / mean(rssSamples.slice(third, 2 * third))
  return { value: peakRssMib, peakRssMib, cpuSeconds, figures: { growth } }
}
