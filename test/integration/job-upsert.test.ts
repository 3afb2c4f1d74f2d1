import { describe, expect, test } from 'vitest'
import {
  append,
  deadLetter,
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
  string,
  text,
  upsert,
} from '../../src/index.ts'
import { type EngineTypes, onEveryEngine } from '../support/engines.ts'
import { produce } from '../support/kafka-service.ts'
import { type Bench, drain, openBench, startFailure } from '../support/running-job.ts'
import { verified } from '../support/verified.ts'

interface Customer {
  name: string
  note?: string
  address?: { city: string; zip?: string }
}

const source = (bench: Bench) => from(kafka({ brokers: bench.brokers, topics: [bench.topic] }))

function jobOf(bench: Bench, pipeline: Pipeline | readonly Pipeline[], limits = {}): Job {
  const database = bench.database.engine.database(bench.database.url)
  return defineJob({ name: bench.name, database, pipeline, limits })
}

const customers = (bench: Bench) =>
  source(bench)
    .decode(nullable(json<Customer>()), { key: string() })
    .into(upsert({ table: 'customers', key: { id: (meta) => meta.key }, tombstones: 'delete' }))

const customersTable = ({ text: key, longText, json: document, instant }: EngineTypes) => `
  CREATE TABLE customers (id ${key} PRIMARY KEY, name ${longText} NOT NULL, note ${longText}, address ${document},
    made ${instant} NOT NULL DEFAULT CURRENT_TIMESTAMP(6))`

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

/** Rows with their JSON read: MariaDB's client gives its text. */
async function rowsOf(bench: Bench, table: string, order: string, documents: readonly string[]) {
  const rows: Record<string, unknown>[] = await bench.database.knex(table).orderBy(order)
  return rows.map((row) => {
    const read = documents.map((column) => {
      const value = row[column]
      return [column, typeof value === 'string' ? (JSON.parse(value) as unknown) : value]
    })
    return { ...row, ...Object.fromEntries(read) } as Record<string, unknown>
  })
}

onEveryEngine((engine) => {
  describe('upsert', () => {
    test('keeps the last value of each key, deletes at tombstones, and is verified, over many batches', async () => {
      const bench = await openBench('upsert', { engine, partitions: 1, tables: customersTable })
      const hostile = `💥 "x'; DROP TABLE customers; -- \\' ${'é'.repeat(99)}`
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
      const rows = await rowsOf(bench, 'customers', 'name', ['address'])
      expect(new Map(rows.map(({ id, made: _, ...row }) => [id, row]))).toEqual(
        new Map([
          [hostile, { name: '', note: null, address: null }],
          ['1', { name: 'Anna', note: null, address: { city: 'Rome' } }],
          ['4', { name: 'Dana', note: null, address: null }],
          ['__proto__', { name: hostile, note: null, address: { zip: hostile, city: '\\u0000 is text' } }],
        ]),
      )
      const report = await verified(job)
      expect(report.outcome, report.text).toBe('ok')

      for (const [sql, difference] of [
        [`UPDATE customers SET address = '{"city":"Oslo"}' WHERE id = '1'`, 'row-different'],
        [`DELETE FROM customers WHERE id = '4'`, 'row-missing'],
        [`INSERT INTO customers (id, name) VALUES ('2', 'Bob')`, 'row-unexpected'],
      ] as const) {
        await bench.database.run(sql)
        const broken = await verified(job)
        expect(broken.outcome, broken.text).toBe('violation')
        expect(broken.tables[0]?.differences.first.map((found) => found.class)).toContain(difference)
      }
      // Written in another way it is the same document.
      await bench.database.run(`UPDATE customers SET address = ' { "city" : "Rome" } ' WHERE id = '1'`)
      const same = await verified(job)
      expect(same.tables[0]?.differences.first.map((found) => found.class)).not.toContain('row-different')
    })

    test('a row without what the table must have stops the job there, or is set aside, for new keys and old', async () => {
      const bench = await openBench('upsert-refused', { engine, partitions: 1, tables: customersTable })
      await send(bench, [
        ['1', { name: 'Ann' }],
        ['2', { note: 'nobody' }],
        ['1', { note: 'nobody' }],
        ['3', { name: 'Cat' }],
      ])
      const error = await drain(jobOf(bench, customers(bench))).then(
        () => new Error('it was accepted'),
        (reason: Error) => reason,
      )
      expect(error).toMatchObject({ code: 'ROWS_REJECTED', record: { offset: 1n } })
      expect(error.message).toContain('name')
      expect(await bench.database.knex('customers').pluck('id')).toEqual(['1'])
      const { heard } = await drain({ ...jobOf(bench, customers(bench)), poison: deadLetter() })
      expect(heard.deadLettered.flatMap(({ letters }) => letters.map(({ offset }) => offset))).toEqual([
        1n,
        2n,
      ])
      expect(await bench.database.knex('customers').select('id', 'name').orderBy('id')).toEqual([
        { id: '1', name: 'Ann' },
        { id: '3', name: 'Cat' },
      ])
    })

    test('a table that does not fit is refused before the first record', async () => {
      const bench = await openBench('upsert-table', { engine, partitions: 1, tables: '' })
      const { text: key, longText } = engine.types
      for (const [tables, message] of [
        ['', /table customers does not exist/],
        [
          `CREATE TABLE customers (id ${key} NOT NULL, name ${longText})`,
          /no primary key or unique index is exactly on \(id\)/,
        ],
        [`CREATE TABLE customers (id ${key} UNIQUE, name ${longText})`, /key column 'id' may be NULL/],
        [
          `CREATE TABLE customers (id char(9) PRIMARY KEY, name ${longText})`,
          /key column 'id' is char.*\(9\).*, which ignores trailing spaces/,
        ],
        [`CREATE TABLE customers (uid ${key} PRIMARY KEY)`, /it has no column 'id'/],
      ] as const) {
        await bench.database.run(`DROP TABLE IF EXISTS customers; ${tables}`)
        const error = await startFailure(jobOf(bench, customers(bench)))
        expect(error).toMatchObject({ code: 'PREFLIGHT_FAILED', message: expect.stringMatching(message) })
      }
    })
  })

  test('append writes documents, keys and headers, and is verified', async () => {
    const bench = await openBench('append-documents', {
      engine,
      partitions: 1,
      tables: ({ longText, json: document }) =>
        `CREATE TABLE log (name ${longText}, tags json, address ${document}, k ${longText}, h ${document}, o bigint)`,
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
    expect(await rowsOf(bench, 'log', 'o', ['tags', 'address', 'h'])).toEqual([
      { name: 'Ann', tags: ['b', { x: 2.5, y: 1 }], address: { zip: null, city: 'Rome' }, k: 'é', h, o: '0' },
      { name: 'Bob', tags: [], address: null, k: null, h, o: '1' },
    ])
    const report = await verified(job)
    expect(report.outcome, report.text).toBe('ok')
    await bench.database.run(`UPDATE log SET tags = '["b", {"y": 1, "x": 3}]' WHERE o = 0`)
    expect((await verified(job)).outcome).toBe('violation')
  })
})

test('a NUL, which PostgreSQL cannot hold, is found in a document before the server is asked', async () => {
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
