import { expect, test } from 'vitest'
import type { Dialect } from '../../src/database/dialect.ts'
import { createMysqlDialect } from '../../src/database/mysql/dialect.ts'
import { mysql } from '../../src/database/mysql/options.ts'
import { createPostgresDialect } from '../../src/database/postgres/dialect.ts'
import { postgres } from '../../src/database/postgres/options.ts'
import type { TableDeclaration } from '../../src/database/table-declaration.ts'
import { integer, text } from '../../src/fields/builders.ts'
import { count, sum } from '../../src/index.ts'
import { createSinkTables } from '../../src/job/create-tables.ts'
import type { Stream } from '../../src/pipeline/stream.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { append } from '../../src/sink/append.ts'
import { declaredTable } from '../../src/sink/declare-table.ts'
import { merge } from '../../src/sink/merge.ts'
import { createDialect } from '../../src/wire.ts'
import { onEveryEngine } from '../support/engines.ts'
import { drain, type Order, openBench, startFailure } from '../support/running-job.ts'

const pipelines = (orders: Stream<Order>) => [
  orders
    .groupBy({ k: ({ k }) => k })
    .aggregate({ n: count(), total: sum(({ v }) => v) })
    .into(merge({ table: 'totals', createTable: { k: text({ maxLength: 64 }) } })),
  orders
    .map(({ v }) => ({ v }))
    .into(
      append({
        table: 'seen',
        meta: { partition: 'partition', offset: 'log_offset' },
        createTable: { v: integer() },
      }),
    ),
]

onEveryEngine((engine) => {
  test('tables are created at the start where they are missing, once, and pass their own check', async () => {
    const bench = await openBench('create-table', { engine, tables: '' })
    const refused = await startFailure(bench.job({ pipelines, migrate: 'check' }))
    expect(refused.message).toMatch(
      /table totals does not exist, and with migrate: 'check'.*oncesink migrate/,
    )
    for (const migrate of ['auto', 'check'] as const) {
      await bench.produce(20)
      await drain(bench.job({ pipelines, migrate }))
    }
    const { totals, seen } = bench.expected()
    expect(await bench.totals()).toEqual(totals)
    // The column of the partition is a bigint, which knex reads as text.
    const rows = (await bench.seen()).map((row) => ({ ...row, partition: Number(row.partition) }))
    expect(rows).toEqual(seen)
  })

  test('the statement that is printed makes a table that the job takes as it is', async () => {
    const bench = await openBench('create-table-printed', { engine, tables: '' })
    const job = bench.job({ pipelines })
    for (const pipeline of job.pipelines) {
      const declaration = declaredTable(pipeline)
      await bench.database.run(
        createDialect(job, systemRuntime).createTableText(declaration as TableDeclaration),
      )
    }
    const connection = await createDialect(job, systemRuntime).connect({ job: job.name, owner: 'test' })
    expect(await createSinkTables(job, connection)).toEqual([])
    await connection.close()
    await bench.produce(20)
    await drain(job)
    expect(await bench.totals()).toEqual(bench.expected().totals)
  })
})

test('a column that nobody has given a type is refused when the job is defined', async () => {
  const bench = await openBench('undeclared', { tables: '' })
  const without = (orders: Stream<Order>) =>
    orders
      .groupBy({ k: ({ k }) => k })
      .aggregate({ n: count() })
      .into(merge({ table: 'totals', createTable: {} as { k: ReturnType<typeof text> } }))
  expect(() => bench.job({ pipelines: without })).toThrow(
    /createTable does not say what 'k' is, which is a key/,
  )
  const withKey = (orders: Stream<Order>) =>
    orders
      .map(({ v }) => ({ v }))
      .into(append({ table: 'seen', meta: { key: 'k' }, createTable: { v: integer() } }))
  expect(() => bench.job({ pipelines: withKey })).toThrow(/cannot say of what type 'k' is, .*record's key/)
})

test('a text key without a length, or too long for an index, is refused for MySQL and MariaDB', () => {
  const dialect: Dialect = createMysqlDialect(mysql({ host: 'h', database: 'd' }), systemRuntime)
  const declared = (maxLength: number | null) => ({
    table: 't',
    primaryKey: ['k'],
    columns: [{ name: 'k', kind: 'text' as const, nullable: false, maxLength, scale: null, precision: null }],
  })
  expect(() => dialect.createTableText(declared(null))).toThrow(/'k' is a text of any length.*maxLength/)
  expect(() => dialect.createTableText(declared(769))).toThrow(/769 characters.*768 at most/)
  expect(dialect.createTableText(declared(768))).toMatch(/`k` varchar\(768\) NOT NULL.*InnoDB/s)
  const postgresText = createPostgresDialect(postgres({ host: 'h' }), systemRuntime).createTableText(
    declared(5),
  )
  expect(postgresText).toContain('"k" varchar(5) NOT NULL')
})
