import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { collectPartials } from '../../src/aggregation/collect.ts'
import type { PartialResult } from '../../src/aggregation/partial-result.ts'
import { canonicalFor } from '../../src/check/compare-values.ts'
import type { Connection, Transaction } from '../../src/database/dialect.ts'
import { compilePartitionTask } from '../../src/executor/partition-task.ts'
import {
  append,
  avg,
  count,
  from,
  json,
  max,
  maxBy,
  merge,
  min,
  minBy,
  sum,
  sumDecimal,
  sumDouble,
  tumbling,
} from '../../src/index.ts'
import type { ColumnValue } from '../../src/model/values.ts'
import type { PipelinePlan } from '../../src/pipeline/plan.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { deliver } from '../../src/sink/deliver.ts'
import { sortedRows } from '../../src/sink/rows.ts'
import { segmentFromRecords } from '../../src/source/record-segment.ts'
import type { FetchedRange } from '../../src/source/source.ts'
import { MysqlFixture } from '../support/mysql-fixture.ts'
import { inTransaction, PostgresFixture } from '../support/postgres-fixture.ts'

/*
 * The property that everything else is for: whatever the cutting of the log into batches, the order of commits across
 * partitions and the number of replays after rollbacks, the table is the one that the whole log makes in one batch,
 * and the same on every engine.
 */

interface Order {
  readonly item: string
  readonly n: number
  /** Null in some records. */
  readonly some: number | null
  readonly cents: number
  readonly note: string
  readonly at: string
}

/** Texts of which collations, padding and escapes make one of two. */
const texts = [
  'a',
  'A',
  'ä',
  'a\u0308',
  'a ',
  '',
  ' ',
  '\\',
  "'",
  '"',
  '\t',
  '😀',
  '\ufffd',
  'ß',
  'ss',
  '10',
  '9',
]

const order: fc.Arbitrary<Order> = fc.record({
  item: fc.constantFrom(...texts),
  n: fc.integer({ min: -1000, max: 1000 }),
  some: fc.option(fc.integer({ min: -5, max: 5 })),
  cents: fc.integer({ min: -100_000, max: 100_000 }),
  note: fc.constantFrom(...texts),
  at: fc.integer({ min: 0, max: 120_000 }).map((ms) => new Date(Date.UTC(2026, 2, 29, 1) + ms).toISOString()),
})

/** A partition's log, cut into slices; the order in which slices commit, several partitions at once; replays. */
interface Schedule<T> {
  readonly log: readonly (readonly T[])[]
  /** Offsets at which each partition is cut. */
  readonly cuts: readonly (readonly number[])[]
  /** Partitions of each batch; what is left is committed by further ones. */
  readonly batches: readonly (readonly number[])[]
  /** How often each batch is rolled back before it is committed. */
  readonly replays: readonly number[]
}

const PARTITIONS = 3

function schedule<T>(record: fc.Arbitrary<T>): fc.Arbitrary<Schedule<T>> {
  const partition = fc.array(record, { maxLength: 10 })
  const subset = fc.subarray([0, 1, 2], { minLength: 1 })
  return fc.record({
    log: fc.array(partition, { minLength: PARTITIONS, maxLength: PARTITIONS }),
    cuts: fc.array(fc.array(fc.integer({ min: 0, max: 10 }), { maxLength: 3 }), {
      minLength: PARTITIONS,
      maxLength: PARTITIONS,
    }),
    batches: fc.array(subset, { maxLength: 6 }),
    replays: fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 6 }),
  })
}

interface Slice<T> {
  readonly partition: number
  readonly from: number
  readonly records: readonly T[]
}

/** The batches of a schedule, each a slice of some partitions; slices of one partition in order, all in the end. */
function* batchesOf<T>({ log, cuts, batches }: Schedule<T>): Generator<Slice<T>[]> {
  const pending = log.map((records, partition) => {
    const inside = cuts[partition]?.filter((cut) => cut < records.length) ?? []
    const bounds = [...new Set([0, ...inside, records.length])].sort((a, b) => a - b)
    return bounds
      .slice(0, -1)
      .map((begin, i): Slice<T> => ({ partition, from: begin, records: records.slice(begin, bounds[i + 1]) }))
  })
  const all = [0, 1, 2]
  for (const partitions of [...batches, ...Array.from({ length: 10 }, () => all)]) {
    const batch = partitions.flatMap((partition) => pending[partition]?.shift() ?? [])
    if (batch.length > 0) yield batch
  }
}

async function partialsOf(plan: PipelinePlan, slices: readonly Slice<unknown>[]): Promise<PartialResult[]> {
  const task = compilePartitionTask(plan.root, [plan], systemRuntime.clock)
  const partials: PartialResult[] = []
  for (const { partition, from: offset, records } of slices) {
    const plain = records.map((value, i) => ({
      offset: offset + i,
      value: JSON.stringify(value),
      timestamp: 0,
    }))
    const segment = segmentFromRecords('orders', partition, plain)
    const fetched: FetchedRange = {
      range: { topic: 'orders', partition, from: BigInt(offset), until: BigInt(offset + records.length) },
      records: records.length,
      bytes: 0,
      slices: [{ segment, begin: 0, end: records.length }],
      leaderEpoch: 0,
    }
    const result = await task.run(fetched, new AbortController().signal)
    partials.push(...result.partials)
  }
  return partials
}

const wholeLog = <T>({ log }: Schedule<T>) =>
  log
    .map((records, partition): Slice<T> => ({ partition, from: 0, records }))
    .filter((s) => s.records.length > 0)

interface Engine {
  readonly name: string
  readonly db: PostgresFixture | MysqlFixture
  readonly types: Readonly<Record<string, string>>
}

const mysqlTypes = {
  text: 'varchar(64)',
  timestamptz: 'datetime(3)',
  numeric: 'decimal',
  double: 'double',
}
const engines: Engine[] = [
  { name: 'postgres', db: new PostgresFixture(), types: { double: 'double precision' } },
  { name: 'mysql', db: new MysqlFixture('mysql'), types: mysqlTypes },
  { name: 'mariadb', db: new MysqlFixture('mariadb'), types: mysqlTypes },
]
const connections = new Map<string, Connection>()

beforeAll(async () => {
  for (const { name, db } of engines) {
    await db.open()
    if (db instanceof MysqlFixture) await db.useExactTexts()
    connections.set(name, await db.connect())
  }
})
afterAll(async () => {
  for (const { db } of engines) await db.drop()
})

function connectionOf(engine: Engine): Connection {
  const connection = connections.get(engine.name)
  if (!connection) throw new Error(`${engine.name} is not connected`)
  return connection
}

/** The table on every engine, its types in their words. */
async function createTables(
  name: string,
  columns: readonly (readonly [string, string])[],
  more = '',
): Promise<void> {
  for (const { db, types } of engines) {
    const declared = columns.map(
      ([column, type]) => `${column} ${type.replace(/^\w+/, (word) => types[word] ?? word)}`,
    )
    await db.table(name, `${declared.join(', ')}${more}`)
  }
}

/** Commits the batches of a schedule one after another, each rolled back as often as it says before. */
async function commitAll<T>(
  engine: Engine,
  run: Schedule<T>,
  write: (trx: Transaction, batch: readonly Slice<T>[]) => Promise<unknown>,
): Promise<void> {
  const connection = connectionOf(engine)
  let i = 0
  for (const batch of batchesOf(run)) {
    for (let replay = 0; replay < (run.replays[i] ?? 0); replay++) {
      const trx = await connection.begin('batch')
      await write(trx, batch)
      await trx.rollback()
    }
    await inTransaction(connection, 'batch', (trx) => write(trx, batch))
    i += 1
  }
}

/** Rows as comparable texts, sorted; and how values that the job computed look beside them. */
async function contentOf(engine: Engine, table: string, columns: readonly string[]) {
  const connection = connectionOf(engine)
  const description = await connection.describeTable(table)
  const canonicals = columns.map((name) => {
    const column = description?.columns.find((found) => found.name === name)
    const canonical = column ? canonicalFor(column) : null
    if (!canonical) throw new Error(`${name} of ${table} is not compared`)
    return canonical
  })
  const rows = await inTransaction(connection, 'snapshot', async (trx) => {
    const read: string[] = []
    for await (const row of trx.readTable(table, columns)) {
      read.push(JSON.stringify(row.map((text, i) => (text === null ? null : canonicals[i]?.fromText(text)))))
    }
    return read.sort()
  })
  const expected = (values: readonly (readonly ColumnValue[])[]) =>
    values
      .map((row) =>
        JSON.stringify(row.map((value, i) => (value === null ? null : canonicals[i]?.fromValue(value)))),
      )
      .sort()
  return { rows, expected }
}

async function clear(engine: Engine, table: string): Promise<void> {
  await engine.db.rows(`DELETE FROM ${table}`)
}

const batchInfo = { batchId: 'b', job: 'job', ranges: [], records: 1, deadLetters: 0 }
const orders = from({ kind: 'test', startFrom: 'earliest' }).decode(json<Order>())

describe('one table, on PostgreSQL, MySQL and MariaDB', () => {
  test('merge, with every aggregate', async () => {
    const aggregates = {
      orders: count(),
      quantity: sum((o: Order) => o.n),
      revenue: sumDecimal((o: Order) => (o.cents / 100).toFixed(2), { scale: 2 }),
      // Quarters: sums of any others depend on the order of adding.
      weight: sumDouble((o: Order) => o.n / 4),
      low: min((o: Order) => o.some),
      high: max((o: Order) => o.some),
      first_at: min((o: Order) => new Date(o.at)),
      price: avg((o: Order) => o.cents / 100, { scale: 2 }),
      last: maxBy((o: Order) => o.note, {
        by: (o) => new Date(Math.floor(Date.parse(o.at) / 60_000) * 60_000),
      }),
      least: minBy((o: Order) => (o.some === null ? null : o.some / 4), { by: (o) => o.some }),
    }
    const { plan } = orders
      .groupBy({ item: (o) => o.item, minute: tumbling('1 minute', (o) => o.at) })
      .aggregate(aggregates)
      .into(merge({ table: 'merged_all' }))
    const columns = [
      ['item', 'text NOT NULL'],
      ['minute', 'timestamptz NOT NULL'],
      ['orders', 'bigint'],
      ['quantity', 'bigint'],
      ['revenue', 'numeric(14,2)'],
      ['weight', 'double'],
      ['low', 'bigint'],
      ['high', 'bigint'],
      ['first_at', 'timestamptz'],
      ['price_sum', 'numeric(14,2)'],
      ['price_count', 'bigint'],
      ['last', 'text'],
      ['last_by', 'timestamptz'],
      ['least', 'numeric(14,2)'],
      ['least_by', 'bigint'],
    ] as const
    await createTables('merged_all', columns, ', PRIMARY KEY (item, minute)')
    const { terminal } = plan
    if (terminal.kind !== 'aggregate') throw new Error('merge follows an aggregate')
    const names = [...terminal.keys, ...terminal.aggregates].map(({ name }) => name)
    expect(names).toEqual(columns.map(([name]) => name))
    await fc.assert(
      fc.asyncProperty(schedule(order), async (run) => {
        const whole = collectPartials(terminal, await partialsOf(plan, wholeLog(run)))
        if (whole.kind !== 'groups') throw new Error('an aggregate gives groups')
        for (const engine of engines) {
          const table = `${engine.db.schema}.merged_all`
          await clear(engine, table)
          await commitAll(engine, run, async (trx, batch) => {
            const sink = { ...plan.sink, table } as PipelinePlan['sink']
            await deliver(
              trx,
              { ...plan, sink },
              collectPartials(terminal, await partialsOf(plan, batch)),
              batchInfo,
            )
          })
          const { rows, expected } = await contentOf(engine, table, names)
          expect(rows, engine.name).toEqual(expected(sortedRows(terminal, whole.groups)))
        }
      }),
      { numRuns: 15 },
    )
  })

  test('append, one row per record with its coordinates', async () => {
    const { plan } = orders
      .map(({ item, n, cents, at }) => ({ item, n, price: (cents / 100).toFixed(2), at: new Date(at) }))
      .into(append({ table: 'appended_all', meta: { partition: 'p', offset: 'o' } }))
    const columns = [
      ['item', 'text'],
      ['n', 'bigint'],
      ['price', 'numeric(14,2)'],
      ['at', 'timestamptz'],
      ['p', 'bigint'],
      ['o', 'bigint'],
    ] as const
    await createTables('appended_all', columns)
    const names = columns.map(([name]) => name)
    await fc.assert(
      fc.asyncProperty(schedule(order), async (run) => {
        const wanted = run.log.flatMap((records, p) =>
          records.map((o, offset) => [o.item, o.n, (o.cents / 100).toFixed(2), new Date(o.at), p, offset]),
        )
        for (const engine of engines) {
          const table = `${engine.db.schema}.appended_all`
          await clear(engine, table)
          await commitAll(engine, run, async (trx, batch) => {
            const sink = { ...plan.sink, table } as PipelinePlan['sink']
            const collected = collectPartials(plan.terminal, await partialsOf(plan, batch))
            await deliver(trx, { ...plan, sink }, collected, batchInfo)
          })
          const { rows, expected } = await contentOf(engine, table, names)
          expect(rows, engine.name).toEqual(expected(wanted))
        }
      }),
      { numRuns: 15 },
    )
  })

  test('upsert and delete by key, where a key is in one partition', async () => {
    const columns = [
      ['k', 'text NOT NULL'],
      ['part', 'bigint NOT NULL'],
      ['v', 'text'],
    ] as const
    await createTables('upserted_all', columns, ', PRIMARY KEY (k, part)')
    const change = fc.record({
      k: fc.constantFrom(...texts),
      v: fc.option(fc.constantFrom(...texts)),
      gone: fc.boolean(),
    })
    type Change = { readonly k: string; readonly v: string | null; readonly gone: boolean }
    /** What is left of changes in order: the last one of each key. */
    const lastOf = (slices: readonly Slice<Change>[]) => {
      const last = new Map<string, { readonly key: ColumnValue[]; readonly change: Change }>()
      for (const { partition, records } of slices) {
        for (const one of records)
          last.set(JSON.stringify([one.k, partition]), { key: [one.k, partition], change: one })
      }
      return [...last.values()]
    }
    await fc.assert(
      fc.asyncProperty(schedule<Change>(change), async (run) => {
        const kept = lastOf(wholeLog(run)).filter((entry) => !entry.change.gone)
        for (const engine of engines) {
          const table = `${engine.db.schema}.upserted_all`
          await clear(engine, table)
          await commitAll(engine, run, (trx, batch) => {
            const entries = lastOf(batch)
            return trx.upsertRows({
              table,
              keys: ['k', 'part'],
              columns: ['v'],
              rows: entries.filter((e) => !e.change.gone).map((e) => [...e.key, e.change.v]),
              deletes: entries.filter((e) => e.change.gone).map((e) => e.key),
            })
          })
          const { rows, expected } = await contentOf(engine, table, ['k', 'part', 'v'])
          expect(rows, engine.name).toEqual(expected(kept.map((entry) => [...entry.key, entry.change.v])))
        }
      }),
      { numRuns: 15 },
    )
  })
})
