import { describe, expect, test } from 'vitest'
import { formatReport } from '../../src/check/report.ts'
import { verifyJob } from '../../src/check/verify-job.ts'
import {
  append,
  defineJob,
  document,
  fields,
  from,
  type Job,
  json,
  kafka,
  nullable,
  optional,
  type Pipeline,
  postgres,
  string,
  text,
  upsert,
} from '../../src/index.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { createDialect, createSource } from '../../src/wire.ts'
import { produce } from '../support/kafka-service.ts'
import { type Bench, drain, openBench, startFailure } from '../support/running-job.ts'

interface Customer {
  name: string
  note?: string
  address?: { city: string; zip?: string }
}

const source = (bench: Bench) => from(kafka({ brokers: bench.brokers, topics: [bench.topic] }))

function jobOf(bench: Bench, pipeline: Pipeline | readonly Pipeline[], limits = {}): Job {
  return defineJob({
    name: bench.name,
    database: postgres({ connectionString: bench.database.url }),
    pipeline,
    limits,
  })
}

const customers = (bench: Bench) =>
  source(bench)
    .decode(nullable(json<Customer>()), { key: string() })
    .into(upsert({ table: 'customers', key: { id: (meta) => meta.key }, tombstones: 'delete' }))

const customersTable = `CREATE TABLE customers (
  id text PRIMARY KEY, name text NOT NULL, note text, address jsonb, made timestamptz NOT NULL DEFAULT now())`

async function verify(job: Job) {
  const report = await verifyJob({
    job,
    dialect: createDialect(job, systemRuntime),
    source: createSource(job, systemRuntime, new EventBus<JobEvents>()),
    runtime: systemRuntime,
    onProgress: () => {},
  })
  return { ...report, text: formatReport(report) }
}

const send = (bench: Bench, entries: readonly (readonly [key: string | null, value: unknown])[]) =>
  produce(
    bench.topic,
    entries.map(([key, value]) => ({
      key,
      value: value === null ? null : JSON.stringify(value),
      partition: 0,
      headers: { source: 'web', trace: Buffer.from([0xff, 0]) },
    })),
    bench.brokers,
  )

describe('upsert', () => {
  test('keeps the last value of each key, deletes at tombstones, and is verified, over many batches', async () => {
    const bench = await openBench('upsert', { partitions: 1, tables: customersTable })
    const hostile = `💥 "x'; DROP TABLE customers; -- ${'é'.repeat(500)}`
    await send(bench, [
      ['1', { name: 'Ann', note: 'first' }],
      ['2', { name: 'Bob' }],
      ['__proto__', { name: hostile, address: { zip: hostile, city: '\\u0000 is text' } }],
      [hostile, { name: '' }],
      ['1', { name: 'Anna', address: { city: 'Rome' } }],
      ['2', null],
      ['3', null],
      ['4', { name: 'Dan' }],
      ['4', null],
      ['4', { name: 'Dana' }],
    ])
    const job = jobOf(bench, customers(bench), { maxRecordsPerBatch: 3 })
    await drain(job)
    const rows = await bench.database
      .knex('customers')
      .select('id', 'name', 'note', 'address')
      .orderBy('name')
    expect(new Map(rows.map(({ id, ...row }) => [id, row]))).toEqual(
      new Map([
        [hostile, { name: '', note: null, address: null }],
        ['1', { name: 'Anna', note: null, address: { city: 'Rome' } }],
        ['4', { name: 'Dana', note: null, address: null }],
        ['__proto__', { name: hostile, note: null, address: { zip: hostile, city: '\\u0000 is text' } }],
      ]),
    )
    const report = await verify(job)
    expect(report.outcome, report.text).toBe('ok')

    for (const [sql, difference] of [
      [`UPDATE customers SET address = '{"city":"Oslo"}' WHERE id = '1'`, 'row-different'],
      [`DELETE FROM customers WHERE id = '4'`, 'row-missing'],
      [`INSERT INTO customers VALUES ('2', 'Bob')`, 'row-unexpected'],
    ] as const) {
      await bench.database.knex.raw(sql)
      const broken = await verify(job)
      expect(broken.outcome, broken.text).toBe('violation')
      expect(broken.tables[0]?.differences.first.map((found) => found.class)).toContain(difference)
    }
  })

  test('a record that fails stops the job there, with everything before it committed', async () => {
    const bench = await openBench('upsert-nul', { partitions: 1, tables: customersTable })
    await send(bench, [
      ['1', { name: 'Ann' }],
      ['2', { name: 'Bob', address: { city: 'a\0b' } }],
    ])
    const error = await drain(jobOf(bench, customers(bench))).then(
      () => new Error('it was accepted'),
      (reason: Error) => reason,
    )
    expect(error).toMatchObject({ code: 'ROWS_REJECTED', record: { offset: 1n } })
    expect(error.message).toContain(
      'column address of row 0 for customers: a text in the document has the character NUL (U+0000), which PostgreSQL cannot hold',
    )
    expect(await bench.database.knex('customers').pluck('id')).toEqual(['1'])
  })

  test.each<[string, string, RegExp]>([
    [
      'without a unique key',
      'CREATE TABLE customers (id text NOT NULL, name text)',
      /no primary key or unique index is exactly on \(id\)/,
    ],
    [
      'whose key may be NULL',
      'CREATE TABLE customers (id text UNIQUE, name text)',
      /key column 'id' may be NULL/,
    ],
    [
      'whose key folds',
      'CREATE TABLE customers (id char(9) PRIMARY KEY, name text)',
      /key column 'id' is character\(9\), which ignores trailing spaces/,
    ],
    ['without its key', 'CREATE TABLE customers (uid text PRIMARY KEY)', /it has no column 'id'/],
    ['that is not there', '', /table customers does not exist/],
  ])('a table %s is refused before the first record', async (_, tables, message) => {
    const bench = await openBench('upsert-table', { partitions: 1, tables })
    const error = await startFailure(jobOf(bench, customers(bench)))
    expect(error).toMatchObject({ code: 'PREFLIGHT_FAILED', message: expect.stringMatching(message) })
  })
})

test('append writes documents, keys and headers, and is verified', async () => {
  const bench = await openBench('append-documents', {
    partitions: 1,
    tables: `CREATE TABLE log (name text, tags json, address jsonb, k text, h jsonb, o bigint)`,
  })
  await send(bench, [
    ['é', { name: 'Ann', address: { zip: null, city: 'Rome' }, tags: ['b', { y: 1, x: 2.5 }] }],
    [null, { name: 'Bob', tags: [] }],
  ])
  const customer = fields({ name: text(), tags: document<unknown[]>(), address: optional(document()) })
  const pipeline = source(bench)
    .decode(customer, { key: nullable(string()) })
    .into(append({ table: 'log', meta: { key: 'k', headers: 'h', offset: 'o' } }) as never)
  const job = jobOf(bench, pipeline)
  await drain(job)
  const h = { source: 'web', trace: { base64: '/wA=' } }
  expect(await bench.database.knex('log').orderBy('o')).toEqual([
    { name: 'Ann', tags: ['b', { x: 2.5, y: 1 }], address: { zip: null, city: 'Rome' }, k: 'é', h, o: '0' },
    { name: 'Bob', tags: [], address: null, k: null, h, o: '1' },
  ])
  const report = await verify(job)
  expect(report.outcome, report.text).toBe('ok')
  await bench.database.knex.raw(`UPDATE log SET tags = '["b", {"y": 1, "x": 3}]' WHERE o = 0`)
  expect((await verify(job)).outcome).toBe('violation')
})
