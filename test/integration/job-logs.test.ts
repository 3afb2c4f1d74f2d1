import { beforeAll, expect, test } from 'vitest'
import {
  append,
  count,
  defineJob,
  fields,
  from,
  integer,
  json,
  kafka,
  merge,
  nullable,
  optional,
  type Pipeline,
  string,
  sum,
  text,
  timestamp,
  tumbling,
  upsert,
} from '../../src/index.ts'
import { createDatabaseOn, onEveryEngine, type TestDatabase } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { kafkaAdmin } from '../support/kafka-admin.ts'
import { createTopic, kafkaClient, kafkaService, produce } from '../support/kafka-service.ts'
import { readRawLog } from '../support/raw-log.ts'
import { drain } from '../support/running-job.ts'
import { uniqueName } from '../support/unique.ts'
import { verified } from '../support/verified.ts'

/*
 * Whole jobs over logs of every kind: what is in them is the source's business, but the positions, the tables and
 * verify must agree about it. The topics are written once, and read on every engine.
 */

const MINUTE_MS = 60_000

/** Broker time, null keys, headers, transactions of both ends, and control batches at the end of each partition. */
let mixed = ''
/** Of most keys only the last record is left, which may be a tombstone. */
let compacted = ''

const source = (topic: string) => from(kafka({ brokers: kafkaService().brokers, topics: [topic] }))

function jobOn(database: TestDatabase, pipeline: Pipeline | readonly Pipeline[]) {
  const { engine, url } = database
  return defineJob({ name: uniqueName('logs'), database: engine.database(url), pipeline })
}

beforeAll(async () => {
  mixed = await createTopic('mixed', { partitions: 2, config: { 'message.timestamp.type': 'LogAppendTime' } })
  const record = (partition: number, v: number, key: string | null) => ({
    partition,
    key,
    value: JSON.stringify({ v }),
    // The broker writes its own.
    timestamp: '1',
    headers: { v: String(v), raw: Buffer.from([0xfe]) },
  })
  await produce(mixed, [record(0, 1, null), record(0, 2, 'a'), record(1, 4, null), record(1, 8, 'a')])
  const writer = kafkaClient().producer({
    transactionalId: uniqueName('logs'),
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await writer.connect()
  for (const [end, v] of [
    ['commit', 16],
    ['abort', 1_000],
  ] as const) {
    const transaction = await writer.transaction()
    await transaction.send({ topic: mixed, messages: [record(0, v, 'b'), record(1, v * 2, null)] })
    await transaction[end]()
  }
  await writer.disconnect()

  compacted = await createTopic('compacted', {
    config: {
      'cleanup.policy': 'compact',
      'segment.ms': '50',
      'min.cleanable.dirty.ratio': '0.01',
      'max.compaction.lag.ms': '100',
    },
  })
  const change = (key: string, v: number | null) => ({
    key,
    value: v === null ? null : JSON.stringify({ v }),
  })
  for (let v = 1; v <= 20; v++)
    await produce(
      compacted,
      ['a', 'b', 'c'].map((key) => change(key, v)),
    )
  await produce(compacted, [change('b', null), change('nobody', null)])
  // What is written last lets the cleaner at what was written before.
  let ticks = 0
  await eventually(async () => {
    ticks += 1
    await produce(compacted, [change('tick', ticks)])
    const { records } = await readRawLog(compacted)
    return records < 20
  }, 60_000)
})

onEveryEngine((engine) => {
  test('times of the broker, null keys, headers, and transactions that end the log', async () => {
    const database = await createDatabaseOn(engine, 'logs')
    const values = source(mixed).decode(fields({ v: integer() }), { key: nullable(string()) })
    const job = jobOn(database, [
      values
        .groupBy({
          minute: tumbling('1 minute', (_, meta) => meta.timestampMs),
          k: (_, { key }) => key ?? '',
        })
        .aggregate({ n: count(), total: sum(({ v }) => v) })
        .into(merge({ table: 'minutes', createTable: { minute: timestamp(), k: text({ maxLength: 9 }) } })),
      values
        .map(({ v }, { key }) => ({ v, k: key }))
        .into(
          append({
            table: 'seen',
            meta: { partition: 'part', offset: 'log_offset', timestamp: 'written_at', headers: 'headers' },
            createTable: { v: integer(), k: optional(text()) },
          }),
        ),
    ])
    const before = Date.now()
    await drain(job)
    const seen: { v: string; k: string | null; written_at: Date; headers: unknown }[] = await database
      .knex('seen')
      .orderBy(['part', 'log_offset'])
    expect(seen.map(({ v, k }) => [Number(v), k])).toEqual([
      [1, null],
      [2, 'a'],
      [16, 'b'],
      [4, null],
      [8, 'a'],
      [32, null],
    ])
    for (const { v, written_at, headers } of seen) {
      // Written by this test, moments ago, and not in 1970.
      expect(written_at.getTime()).toBeGreaterThan(before - 30 * MINUTE_MS)
      const document: unknown = typeof headers === 'string' ? JSON.parse(headers) : headers
      expect(document).toEqual({ v, raw: { base64: '/g==' } })
    }
    const minutes = new Map<string, [n: number, total: number]>()
    for (const { v, k, written_at } of seen) {
      const start = Math.floor(written_at.getTime() / MINUTE_MS) * MINUTE_MS
      const id = `${new Date(start).toISOString()} ${k ?? ''}`
      const [n, total] = minutes.get(id) ?? [0, 0]
      minutes.set(id, [n + 1, total + Number(v)])
    }
    const merged: { minute: Date; k: string; n: string; total: string }[] = await database.knex('minutes')
    expect(
      new Map(
        merged.map((row) => [`${row.minute.toISOString()} ${row.k}`, [Number(row.n), Number(row.total)]]),
      ),
    ).toEqual(minutes)

    // Behind the aborted records and every control batch: nothing is owed.
    const ends = await (await kafkaAdmin()).fetchTopicOffsets(mixed)
    const positions = await database.rows<{ partition: number; next_offset: string }>(
      `SELECT "partition", next_offset FROM ${engine.own('oncesink_offsets')}`,
    )
    expect(positions.map((row) => [row.partition, row.next_offset]).sort()).toEqual(
      ends.map(({ partition, high }) => [partition, high]).sort(),
    )
    const report = await verified(job)
    expect(report, report.text).toMatchObject({ outcome: 'ok', recordsReplayed: 6 })
  })

  test('a compacted topic, of which the tombstones are left', async () => {
    const database = await createDatabaseOn(engine, 'logs')
    const job = jobOn(
      database,
      source(compacted)
        .decode(nullable(json<{ v: number }>()), { key: string() })
        .filter((_, { key }) => key !== 'tick')
        .into(
          upsert({
            table: 'latest',
            key: { k: ({ key }) => key },
            tombstones: 'delete',
            createTable: { k: text({ maxLength: 9 }), v: integer() },
          }),
        ),
    )
    await drain(job)
    expect(await database.knex('latest').orderBy('k')).toEqual([
      { k: 'a', v: '20' },
      { k: 'c', v: '20' },
    ])
    const report = await verified(job)
    expect(report.outcome, report.text).toBe('ok')
    expect(report.recordsReplayed).toBeLessThan(20)
  })
})
