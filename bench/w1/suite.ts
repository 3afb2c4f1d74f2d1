import { join } from 'node:path'
import { compressFrameSync } from 'lz4-napi'
import { produceRepeated } from '../../test/support/raw-producer.ts'
import { type Ground, OrderRuns, onGround } from '../order-runs.ts'
import { type OrderLog, orderLog, partitions, STEADY } from '../orders.ts'
import { profiling, runProgram } from '../program.ts'
import type { Contestant, OpenSuite, Row, Sample, Suite, SuiteSettings } from '../suite.ts'

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

function openW1(settings: SuiteSettings): Promise<OpenSuite> {
  return onGround(settings, async (ground) => {
    const log = orderLog(settings.records * STEADY)
    settings.log(`producing ${log.records} records twice, uncompressed and lz4`)
    const topicOf: Record<Codec, string> = {
      none: await ground.topics.create('w1_none', partitions),
      lz4: await ground.topics.create('w1_lz4', partitions),
    }
    for (const codec of codecs) {
      const batches = log.batches.map((batch) => ({
        ...batch,
        ...(codec === 'lz4' && {
          compression: { codec: 3, compress: (bytes: Buffer) => compressFrameSync(bytes) },
        }),
      }))
      await produceRepeated(ground.topics.brokers, topicOf[codec], batches)
    }
    const rig: W1Rig = { ...ground, log, topicOf, runs: new OrderRuns(ground) }
    return { contestants: contestants(rig), rows: rows(settings.engine === 'postgres') }
  })
}

interface W1Rig extends Ground {
  readonly log: OrderLog
  readonly topicOf: Readonly<Record<Codec, string>>
  readonly runs: OrderRuns
}

function contestants(rig: W1Rig): Contestant[] {
  const { engine } = rig.settings
  const perCodec = codecs.flatMap((codec): Contestant[] => [
    { name: `json ${codec}`, run: () => runJob(rig, codec, 'json') },
    { name: `fields ${codec}`, run: () => runJob(rig, codec, 'fields') },
    { name: `read ceiling ${codec}`, run: () => runReader(rig, codec) },
    ...(engine === 'postgres' ? [{ name: `recipe ${codec}`, run: () => runRecipe(rig, codec) }] : []),
  ])
  return [
    { name: 'JSON.parse alone', run: () => runJsonParse(rig) },
    { name: filtered, run: () => runJob(rig, 'none', 'json', { BENCH_STEPS: '1' }) },
    ...perCodec,
  ]
}

/** A function that does more than read a field is called for every record, which is an object then. */
const filtered = 'json with a filter'

function rows(hasRecipe: boolean): Row[] {
  const objects: Row = {
    id: 'w1.none.json-with-a-filter/JSON.parse',
    title: `${filtered} (an object of every record) / JSON.parse alone`,
    target: null,
    of: (figure) => figure(filtered) / figure('JSON.parse alone'),
  }
  const perCodec = codecs.flatMap((codec): Row[] => {
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
  return [...perCodec, objects]
}

function runJob(
  rig: W1Rig,
  codec: Codec,
  decoder: 'json' | 'fields',
  env: Readonly<Record<string, string>> = {},
): Promise<Sample> {
  const name = `w1 ${decoder} ${codec}`
  const order = { topic: rig.topicOf[codec], name, env: { BENCH_DECODER: decoder, ...env } }
  return rig.runs.totals(order, rig.log)
}

async function runRecipe(rig: W1Rig, codec: Codec): Promise<Sample> {
  const run = await rig.runs.next()
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
  await rig.runs.check(`orders_${run}`, rig.log, `recipe ${codec}`)
  return { value: perSecond, ...rest }
}

async function runReader(rig: W1Rig, codec: Codec): Promise<Sample> {
  const { perSecond, read } = await runProgram<{ perSecond: number; read: number }>(
    join(here, 'read-ceiling.ts'),
    environment(rig, codec, 0),
    profiling(rig.settings.profileDir, `w1-read-ceiling-${codec}-${process.hrtime.bigint()}`),
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
    BENCH_BROKERS: rig.topics.brokers.join(','),
    BENCH_TOPIC: rig.topicOf[codec],
    BENCH_RECORDS: String(rig.log.records),
    BENCH_RUN: String(run),
  }
}
