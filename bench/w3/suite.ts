import { join } from 'node:path'
import { produceRepeated } from '../../test/support/raw-producer.ts'
import { keyText } from '../database.ts'
import { type Ground, onGround } from '../order-runs.ts'
import { partitions } from '../orders.ts'
import { profiling } from '../program.ts'
import { JobProcess } from '../rig.ts'
import type { Sample, Suite } from '../suite.ts'
import { type WindowLog, type WrittenWindow, windowLog, wrongWindow } from './windows.ts'

const decoders = ['json', 'fields'] as const

/** Windows: as many rows to write as there are records. */
export const w3: Suite = {
  name: 'w3',
  title: 'count and sum by key and minute, in windows of two minutes; about 100,000 distinct rows per batch',
  engines: ['postgres', 'mysql', 'mariadb'],
  turns: (runs) => Math.ceil(runs / 2),
  open: (settings) =>
    onGround(settings, async (ground) => {
      // Every batch writes 100,000 rows: the database is the limit, and a part of the records says it.
      const log = windowLog(settings.records / 4)
      const topic = await ground.topics.create('w3', partitions)
      await produceRepeated(ground.topics.brokers, topic, log.batches)
      const rig: W3Rig = { ...ground, topic, log, runs: 0 }
      return {
        contestants: decoders.map((decoder) => ({ name: decoder, run: () => runJob(rig, decoder) })),
        rows: [
          ...decoders.map((decoder) => ({
            id: `w3.${decoder}`,
            title: `rows written per second, ${decoder}`,
            target: null,
            of: (figure: (name: string, which?: string) => number) => figure(decoder, 'rowsPerSecond'),
          })),
          {
            id: 'w3.rows',
            title: 'rows of the largest batch',
            target: null,
            of: (figure) => figure('fields', 'largest'),
          },
        ],
      }
    }),
}

interface W3Rig extends Ground {
  readonly topic: string
  readonly log: WindowLog
  /** Runs so far, for names that were never used. */
  runs: number
}

async function runJob(rig: W3Rig, decoder: string): Promise<Sample> {
  const { settings, topics, database, log } = rig
  const run = ++rig.runs
  const isPostgres = database.engine === 'postgres'
  await database.run(
    `CREATE TABLE windows_${run} (item ${keyText[database.engine]} NOT NULL,
       minute ${isPostgres ? 'timestamptz' : 'datetime(3)'} NOT NULL, orders bigint NOT NULL,
       revenue decimal(20, 2) NOT NULL, PRIMARY KEY (item, minute))`,
  )
  const job = new JobProcess(
    join(import.meta.dirname, '../../dist/cli/bin.js'),
    join(import.meta.dirname, 'job.ts'),
    ['--once'],
    {
      BENCH_BROKERS: topics.brokers.join(','),
      BENCH_TOPIC: rig.topic,
      BENCH_RUN: String(run),
      BENCH_ENGINE: settings.engine,
      BENCH_DATABASE_URL: database.url,
      BENCH_DECODER: decoder,
    },
    profiling(settings.profileDir, `w3-${decoder}-${run}`),
  )
  await job.ended
  const startMs = isPostgres
    ? '(extract(epoch FROM minute) * 1000)::bigint'
    : "timestampdiff(SECOND, '1970-01-01', minute) * 1000"
  const written = await database.rows<WrittenWindow>(
    `SELECT item, ${startMs} AS start_ms, orders, revenue FROM windows_${run}`,
  )
  const wrong = wrongWindow(log.totals, written)
  if (wrong !== null) throw new Error(`w3 ${decoder} has written ${wrong}`)
  const last = job.batches.at(-1)
  if (!last) throw new Error(`w3 ${decoder} has committed nothing`)
  const seconds = (last.atMs - job.runningAtMs) / 1_000
  const rows = job.batches.map((batch) => batch.rows)
  return {
    value: log.records / seconds,
    peakRssMib: job.peakRssMib,
    cpuSeconds: job.cpuSeconds,
    figures: {
      rowsPerSecond: rows.reduce((sum, count) => sum + count, 0) / seconds,
      largest: Math.max(...rows),
    },
  }
}
