import { join } from 'node:path'
import { compressFrameSync } from 'lz4-napi'
import { produceRepeated } from '../../test/support/raw-producer.ts'
import { type BenchDatabase, openDatabase } from '../database.ts'
import { type OrderLog, orderLog, partitions } from '../orders.ts'
import { profiling, runProgram } from '../program.ts'
import { JobProcess } from '../rig.ts'
import type { Contestant, OpenSuite, Row, Sample, Suite, SuiteSettings } from '../suite.ts'
import { type BenchTopics, openTopics } from '../topics.ts'
import { type WrittenTotal, wrongTotal } from './totals.ts'

const here = import.meta.dirname
const codecs = ['none', 'lz4'] as const
type Codec = (typeof codecs)[number]

/** Count and sum by key: the hot path from bytes to totals. */
export const w1: Suite = {
  name: 'w1',
  title: 'count and sum by key (JSON orders of 84 bytes, 95 in the log; 1,000 keys, 4 partitions)',
  engines: ['postgres', 'mysql', 'mariadb'],
  open: openW1,
}

async function openW1(settings: SuiteSettings): Promise<OpenSuite> {
  const log = orderLog(settings.records)
  const topics = await openTopics()
  const database = await openDatabase(settings.engine).catch(async (error: unknown) => {
    await topics.close()
    throw error
  })
  const close = async () => {
    await topics.close()
    await database.close()
  }
  try {
    return await fill(settings, log, topics, database, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function fill(
  settings: SuiteSettings,
  log: OrderLog,
  topics: BenchTopics,
  database: BenchDatabase,
  close: () => Promise<void>,
): Promise<OpenSuite> {
  settings.log(`producing ${log.records} records twice, uncompressed and lz4`)
  const topicOf: Record<Codec, string> = {
    none: await topics.create('w1_none', partitions),
    lz4: await topics.create('w1_lz4', partitions),
  }
  for (const codec of codecs) {
    const batches = log.batches.map((batch) => ({
      ...batch,
      ...(codec === 'lz4' && {
        compression: { codec: 3, compress: (bytes: Buffer) => compressFrameSync(bytes) },
      }),
    }))
    await produceRepeated(topics.brokers, topicOf[codec], batches)
  }
  const rig: W1Rig = { settings, log, database, brokers: topics.brokers.join(','), topicOf, runs: 0 }
  return {
    contestants: contestants(rig),
    rows: rows(settings.engine === 'postgres'),
    close,
  }
}

interface W1Rig {
  readonly settings: SuiteSettings
  readonly log: OrderLog
  readonly database: BenchDatabase
  readonly brokers: string
  readonly topicOf: Readonly<Record<Codec, string>>
  /** Runs so far, for names that were never used. */
  runs: number
}

function contestants(rig: W1Rig): Contestant[] {
  const { engine } = rig.settings
  const perCodec = codecs.flatMap((codec): Contestant[] => [
    { name: `json ${codec}`, run: () => runJob(rig, codec, 'json') },
    { name: `fields ${codec}`, run: () => runJob(rig, codec, 'fields') },
    { name: `read ceiling ${codec}`, run: () => runReader(rig, codec) },
    ...(engine === 'postgres' ? [{ name: `recipe ${codec}`, run: () => runRecipe(rig, codec) }] : []),
  ])
  return [{ name: 'JSON.parse alone', run: () => runJsonParse(rig) }, ...perCodec]
}

function rows(hasRecipe: boolean): Row[] {
  return codecs.flatMap((codec): Row[] => {
    const ratio = (of: string, to: string, atLeast: number): Row => ({
      id: `w1.${codec}.${of}/${to.replace(' alone', '').replace(' ', '-')}`,
      title: `${of} ${codec} / ${to}`,
      target: { atLeast },
      of: (figure) => figure(`${of} ${codec}`) / figure(to === 'JSON.parse alone' ? to : `${to} ${codec}`),
    })
    return [
      ratio('json', 'JSON.parse alone', 0.8),
      ratio('fields', 'read ceiling', 0.6),
      ...(hasRecipe ? [ratio('json', 'recipe', 2.5), ratio('fields', 'recipe', 6)] : []),
    ]
  })
}

async function runJob(rig: W1Rig, codec: Codec, decoder: 'json' | 'fields'): Promise<Sample> {
  const { settings, database } = rig
  const run = await freshTables(rig)
  const job = new JobProcess(
    join(here, '../../dist/cli/bin.js'),
    join(here, 'job.ts'),
    ['--once'],
    {
      ...environment(rig, codec, run),
      BENCH_DECODER: decoder,
      BENCH_ENGINE: settings.engine,
      BENCH_DATABASE_URL: database.url,
    },
    profiling(settings.profileDir, `w1-${decoder}-${codec}-${run}`),
  )
  await job.ended
  await checkTotals(rig, `${decoder} ${codec}`)
  const last = job.batches.at(-1)
  if (!last) throw new Error('the job has committed nothing')
  // From when it began to read: connecting and claiming are not part of the workload.
  const seconds = (last.atMs - job.runningAtMs) / 1_000
  return { value: rig.log.records / seconds, peakRssMib: job.peakRssMib, cpuSeconds: job.cpuSeconds }
}

async function runRecipe(rig: W1Rig, codec: Codec): Promise<Sample> {
  const run = await freshTables(rig)
  const partitionRows = Array.from({ length: partitions }, (_, partition) => `(${partition}, 0)`)
  await rig.database.run(
    `DROP TABLE IF EXISTS recipe_offsets;
     CREATE TABLE recipe_offsets (partition int PRIMARY KEY, next_offset bigint NOT NULL);
     INSERT INTO recipe_offsets VALUES ${partitionRows.join(', ')}`,
  )
  const { perSecond, ...rest } = await runProgram<{
    perSecond: number
    peakRssMib: number
    cpuSeconds: number
  }>(join(here, 'recipe.ts'), { ...environment(rig, codec, run), BENCH_DATABASE_URL: rig.database.url })
  await checkTotals(rig, `recipe ${codec}`)
  return { value: perSecond, ...rest }
}

async function runReader(rig: W1Rig, codec: Codec): Promise<Sample> {
  const { perSecond, read } = await runProgram<{ perSecond: number; read: number }>(
    join(here, 'read-ceiling.ts'),
    environment(rig, codec, rig.runs),
    profiling(rig.settings.profileDir, `w1-read-ceiling-${codec}-${rig.runs}`),
  )
  if (read !== rig.log.records) throw new Error(`the reader has read ${read} of ${rig.log.records} records`)
  return { value: perSecond }
}

async function runJsonParse(rig: W1Rig): Promise<Sample> {
  const { perSecond, cents } = await runProgram<{ perSecond: number; cents: number }>(
    join(here, 'json-parse.ts'),
    { BENCH_RECORDS: String(rig.log.records) },
  )
  if (cents !== rig.log.cents)
    throw new Error(`JSON.parse alone has come to ${cents} cents, not ${rig.log.cents}`)
  return { value: perSecond }
}

function environment(rig: W1Rig, codec: Codec, run: number): Record<string, string> {
  return {
    BENCH_BROKERS: rig.brokers,
    BENCH_TOPIC: rig.topicOf[codec],
    BENCH_RECORDS: String(rig.log.records),
    BENCH_RUN: String(run),
  }
}

/** @returns the number of the run, which no job and no group has had */
async function freshTables(rig: W1Rig): Promise<number> {
  const { database } = rig
  const text = database.engine === 'postgres' ? 'text' : 'varchar(191)'
  rig.runs += 1
  await database.run(
    `CREATE TABLE orders_${rig.runs}
       (item ${text} PRIMARY KEY, orders bigint NOT NULL, revenue decimal(20, 2) NOT NULL)`,
  )
  return rig.runs
}

/** @throws Error when the table is not exactly what the log says, item by item */
async function checkTotals({ database, log, runs }: W1Rig, name: string): Promise<void> {
  const written = await database.rows<WrittenTotal>(`SELECT item, orders, revenue FROM orders_${runs}`)
  const wrong = wrongTotal(log.totals, written)
  if (wrong !== null) throw new Error(`${name} has written ${wrong}`)
}
