import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '../../src/services/index.ts'
import { produceRepeated } from '../../test/support/raw-producer.ts'
import { type BenchDatabase, openDatabase } from '../database.ts'
import { orderLog, partitions } from '../orders.ts'
import { profiling, runProgram } from '../program.ts'
import { JobProcess } from '../rig.ts'
import type { Contestant, OpenSuite, Row, Sample, Suite, SuiteSettings } from '../suite.ts'
import { openTopics } from '../topics.ts'
import { type Content, contentQuery, expectedContent, wrongContent } from './content.ts'
import { writeRowsFile } from './rows-file.ts'

const here = import.meta.dirname

/** Every record one row: the hot path from bytes to a table. */
export const w2: Suite = {
  name: 'w2',
  title: 'every record one row (JSON orders of 84 bytes; four columns, partition and offset; 4 partitions)',
  engines: ['postgres', 'mysql', 'mariadb'],
  open: openW2,
}

interface W2Rig {
  readonly settings: SuiteSettings
  readonly database: BenchDatabase
  readonly brokers: string
  readonly topic: string
  readonly records: number
  readonly expected: Content
  /** The rows as text. */
  readonly file: string
  /** Whether the server takes LOAD DATA LOCAL. */
  readonly localInfile: boolean
  /** Runs so far, for names that were never used. */
  runs: number
}

async function openW2(settings: SuiteSettings): Promise<OpenSuite> {
  const closers: (() => Promise<void>)[] = []
  const close = async () => {
    for (const closer of closers.reverse()) await closer()
  }
  try {
    const topics = await openTopics()
    closers.push(topics.close)
    const database = await openDatabase(settings.engine)
    closers.push(database.close)
    const folder = await mkdtemp(join(tmpdir(), 'oncesink-bench-'))
    closers.push(() => rm(folder, { recursive: true }))
    const log = orderLog(settings.records)
    settings.log(`producing ${log.records} records`)
    const topic = await topics.create('w2', partitions)
    await produceRepeated(topics.brokers, topic, log.batches)
    const file = join(folder, 'rows')
    await writeRowsFile(file, settings.engine, log)
    const rig: W2Rig = {
      settings,
      database,
      brokers: topics.brokers.join(','),
      topic,
      records: log.records,
      expected: expectedContent(log),
      file,
      localInfile: await takesLocalInfile(database),
      runs: 0,
    }
    return { contestants: contestants(rig), rows: rows(settings.engine), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function takesLocalInfile({ engine, rows }: BenchDatabase): Promise<boolean> {
  if (engine === 'postgres') return false
  const [row] = await rows<{ Value: string }>(`SHOW GLOBAL VARIABLES LIKE 'local_infile'`)
  return row?.Value === 'ON'
}

const strategies = ['default', 'repartitionToOne', 'perPartition'] as const

function contestants(rig: W2Rig): Contestant[] {
  return [
    ...strategies.map((strategy) => ({ name: strategy, run: () => runJob(rig, strategy, 'fields') })),
    { name: 'json', run: () => runJob(rig, 'default', 'json') },
    ...(rig.settings.engine === 'postgres' ? [{ name: 'recipe', run: () => runRecipe(rig) }] : []),
    { name: 'file', run: () => runFile(rig) },
  ]
}

function rows(engine: Engine): Row[] {
  const byFile = engine === 'postgres' ? 'COPY from a file' : 'LOAD DATA LOCAL (INSERT where it is off)'
  const ratio = (of: string, to: 'file' | 'recipe', atLeast: number | null): Row => ({
    id: `w2.${of}/${to}`,
    title: `${of} / ${to === 'file' ? byFile : 'recipe with COPY'}`,
    target: atLeast === null ? null : { atLeast },
    of: (figure) => figure(of) / figure(to),
  })
  if (engine !== 'postgres') {
    return [
      ratio('default', 'file', 0.8),
      ratio('repartitionToOne', 'file', null),
      ratio('perPartition', 'file', null),
      ratio('json', 'file', null),
    ]
  }
  return [
    ratio('default', 'recipe', 3),
    ratio('repartitionToOne', 'file', 0.9),
    ratio('perPartition', 'file', 1.2),
    ratio('default', 'file', null),
    ratio('json', 'recipe', null),
  ]
}

async function runJob(rig: W2Rig, strategy: string, decoder: 'json' | 'fields'): Promise<Sample> {
  const { settings, database } = rig
  const table = await freshTable(rig)
  const job = new JobProcess(
    join(here, '../../dist/cli/bin.js'),
    join(here, 'job.ts'),
    ['--once'],
    {
      ...environment(rig, table),
      BENCH_RUN: String(rig.runs),
      BENCH_DECODER: decoder,
      BENCH_STRATEGY: strategy,
      BENCH_ENGINE: database.engine,
    },
    profiling(settings.profileDir, `w2-${strategy}-${decoder}-${rig.runs}`),
  )
  await job.ended
  await checkContent(rig, table, `${strategy} (${decoder})`)
  const last = job.batches.at(-1)
  if (!last) throw new Error('the job has committed nothing')
  // From when it began to read: connecting and claiming are not part of the workload.
  const seconds = (last.atMs - job.runningAtMs) / 1_000
  return { value: rig.records / seconds, peakRssMib: job.peakRssMib, cpuSeconds: job.cpuSeconds }
}

async function runRecipe(rig: W2Rig): Promise<Sample> {
  const table = await freshTable(rig)
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
  }>(join(here, 'recipe.ts'), environment(rig, table))
  await checkContent(rig, table, 'recipe')
  return { value: perSecond, ...rest }
}

async function runFile(rig: W2Rig): Promise<Sample> {
  const table = await freshTable(rig)
  const { seconds } = await runProgram<{ seconds: number }>(join(here, 'load-file.ts'), {
    ...environment(rig, table),
    BENCH_ENGINE: rig.database.engine,
    BENCH_FILE: rig.file,
    BENCH_LOCAL_INFILE: rig.localInfile ? 'yes' : 'no',
  })
  await checkContent(rig, table, 'the file')
  return { value: rig.records / seconds }
}

function environment(rig: W2Rig, table: string): Record<string, string> {
  return {
    BENCH_BROKERS: rig.brokers,
    BENCH_TOPIC: rig.topic,
    BENCH_RECORDS: String(rig.records),
    BENCH_DATABASE_URL: rig.database.url,
    BENCH_TABLE: table,
  }
}

/** @returns the name of a table that no run has had */
async function freshTable(rig: W2Rig): Promise<string> {
  const { database } = rig
  rig.runs += 1
  const table = `orders_${rig.runs}`
  const [text, time] =
    database.engine === 'postgres' ? ['text', 'timestamptz'] : ['varchar(64)', 'datetime(3)']
  await database.run(
    `CREATE TABLE ${table} (item ${text} NOT NULL, customer ${text} NOT NULL, amount decimal(12, 2) NOT NULL,
       at ${time} NOT NULL, part int NOT NULL, log_offset bigint NOT NULL)`,
  )
  return table
}

/**
 * Drops the table, too: the next run finds the server as this one has.
 * @throws Error when the table does not hold exactly the rows of the log
 */
async function checkContent({ database, expected }: W2Rig, table: string, name: string): Promise<void> {
  const [row] = await database.rows<Record<'rows_' | 'cents' | 'offsets' | 'digest', string | number>>(
    contentQuery(database.engine, table),
  )
  const found: Content = {
    rows: Number(row?.rows_),
    cents: Number(row?.cents),
    offsets: Number(row?.offsets),
    digest: Number(row?.digest),
  }
  const wrong = wrongContent(expected, found)
  if (wrong !== null) throw new Error(`${name} has written ${wrong}`)
  await database.run(`DROP TABLE ${table}`)
}
