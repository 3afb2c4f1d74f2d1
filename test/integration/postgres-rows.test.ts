import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import type { ColumnValue } from '../../src/model/values.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { inTransaction, PostgresFixture } from '../support/postgres-fixture.ts'

const db = new PostgresFixture()
let connection: Connection

beforeAll(async () => {
  await db.open()
  connection = await db.connect()
})
afterAll(() => db.drop())

const day = new Date('2026-03-29T01:30:00.250Z')

async function readTable(table: string, columns: string[]): Promise<(string | null)[][]> {
  return inTransaction(connection, 'snapshot', async (trx) => {
    const rows: (string | null)[][] = []
    for await (const row of trx.readTable(table, columns)) rows.push(row)
    return rows
  })
}

async function append(table: string, columns: string[], rows: ColumnValue[][]): Promise<number> {
  return inTransaction(connection, 'batch', (trx) => trx.appendRows({ table, columns, rows }))
}

/** The error of an operation, after which the connection must still be usable. */
async function rejection(work: Promise<unknown>): Promise<unknown> {
  const error = await work.then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  )
  expect(await connection.isWritable()).toBe(true)
  return error
}

describe('merge', () => {
  const merge = (table: string, rows: ColumnValue[][]) =>
    inTransaction(connection, 'batch', (trx) =>
      trx.mergeRows({
        table,
        keys: ['k', 'at'],
        aggregates: [
          { column: 'n', rule: 'add' },
          { column: 'total', rule: 'add' },
          { column: 'first', rule: 'least' },
          { column: 'last', rule: 'greatest' },
        ],
        rows,
      }),
    )
  const columns =
    'k text, at timestamptz, n bigint, total numeric(12,2), first int, last timestamptz, PRIMARY KEY (k, at)'

  test('new keys become rows, known keys take the sum, the least and the greatest', async () => {
    const table = await db.table('merged', columns)
    const later = new Date(day.getTime() + 1)
    expect(await merge(table, [['a', day, 1, '0.10', 5, day]])).toBe(1)
    expect(
      await merge(table, [
        ['a', day, 9_007_199_254_740_993n, '0.20', 3, later],
        ['b', day, 1n, '1', 9, day],
      ]),
    ).toBe(2)
    expect((await readTable(table, ['k', 'at', 'n', 'total', 'first', 'last'])).sort()).toEqual([
      ['a', '2026-03-29T01:30:00.250000Z', '9007199254740994', '0.30', '3', '2026-03-29T01:30:00.251000Z'],
      ['b', '2026-03-29T01:30:00.250000Z', '1', '1.00', '9', '2026-03-29T01:30:00.250000Z'],
    ])
  })

  test('NULL is neutral in every rule, on either side', async () => {
    const table = await db.table('merged_nulls', columns)
    await merge(table, [
      ['left', day, null, null, null, null],
      ['right', day, 1, '2', 3, day],
      ['both', day, null, null, null, null],
    ])
    await merge(table, [
      ['left', day, 1, '2', 3, day],
      ['right', day, null, null, null, null],
      ['both', day, null, null, null, null],
    ])
    const same = ['1', '2.00', '3', '2026-03-29T01:30:00.250000Z']
    expect((await readTable(table, ['k', 'n', 'total', 'first', 'last'])).sort()).toEqual([
      ['both', null, null, null, null],
      ['left', ...same],
      ['right', ...same],
    ])
  })

  test('more rows than one statement takes are all written, and each once', async () => {
    const table = await db.table('merged_many', columns)
    const rows = Array.from({ length: 25_000 }, (_, i) => [`key ${i}`, day, 1, '1', i, day])
    expect(await merge(table, rows)).toBe(25_000)
    expect(await merge(table, rows)).toBe(25_000)
    const [row] = await db.rows(
      `SELECT count(*)::int, sum(n)::int AS n, max(n)::int AS most, max(first) AS first FROM ${table}`,
    )
    expect(row).toEqual({ count: 25_000, n: 50_000, most: 2, first: 24_999 })
  })

  test('names that need quotes and types with a length are taken as they are', async () => {
    await db.rows(`CREATE TYPE ${db.schema}."mood $1" AS ENUM ('sad', 'ok')`)
    const table = await db.table(
      '"Odd ""Table"" $1"',
      `"Key;--" char(3), "mood" ${db.schema}."mood $1", flag bit(3), "N'" int, PRIMARY KEY ("Key;--", mood, flag)`,
    )
    const write = {
      table: table.replaceAll('""', '\u0001').replaceAll('"', '').replaceAll('\u0001', '"'),
      keys: ['Key;--', 'mood', 'flag'],
      aggregates: [{ column: "N'", rule: 'add' as const }],
      rows: [['abc', 'ok', '101', 2]],
    }
    await inTransaction(connection, 'batch', (trx) => trx.mergeRows(write))
    await inTransaction(connection, 'batch', (trx) => trx.mergeRows(write))
    expect(await readTable(write.table, ['Key;--', 'mood', 'flag', "N'"])).toEqual([
      ['abc', 'ok', '101', '4'],
    ])
  })

  test('what the column cannot hold is ROWS_REJECTED and never cut or rounded away', async () => {
    const table = await db.table('narrow', 'k varchar(3) PRIMARY KEY, n smallint')
    const one = (row: ColumnValue[]) =>
      inTransaction(connection, 'batch', (trx) =>
        trx.mergeRows({ table, keys: ['k'], aggregates: [{ column: 'n', rule: 'add' }], rows: [row] }),
      )
    for (const row of [
      ['abcd', 1],
      ['a', 40_000],
      ['a', '1.5'],
      ['a', 'x'],
      ['a\0', 1],
      ['\ud800', 1],
      [null, 1],
    ]) {
      expect(await rejection(one(row))).toMatchObject({ code: 'ROWS_REJECTED' })
    }
    await one(['a', 32_767])
    expect(await rejection(one(['a', 1]))).toMatchObject({
      code: 'ROWS_REJECTED',
      message: expect.stringContaining('22003'),
    })
  })

  test('keys that differ only in spaces beyond the length are refused, not cut to one row', async () => {
    await db.rows(`CREATE DOMAIN ${db.schema}.code AS varchar(3)`)
    await db.rows(`CREATE DOMAIN ${db.schema}.strict_code AS ${db.schema}.code CHECK (VALUE <> 'no')`)
    for (const [i, type] of ['varchar(3)', 'char(3)', `${db.schema}.strict_code`].entries()) {
      const table = await db.table(`spaced_${i}`, `k ${type} PRIMARY KEY, n int`)
      const one = (k: string) =>
        inTransaction(connection, 'batch', (trx) =>
          trx.mergeRows({ table, keys: ['k'], aggregates: [{ column: 'n', rule: 'add' }], rows: [[k, 1]] }),
        )
      await one('abc')
      await one('😀😀😀')
      for (const long of ['abc ', 'abc   ', '😀😀😀 ', 'abcd']) {
        const refused = {
          code: 'ROWS_REJECTED',
          message: expect.stringMatching(/column k of row \d for .*spaced_\d: .* the column takes 3/),
        }
        expect(await rejection(one(long))).toMatchObject(refused)
        expect(await rejection(append(table, ['k', 'n'], [[long, 1]]))).toMatchObject(refused)
      }
      expect((await readTable(table, ['k', 'n'])).sort()).toEqual([
        ['abc', '1'],
        ['😀😀😀', '1'],
      ])
      // A length that is gone is forgotten with the first refusal.
      await db.rows(`ALTER TABLE ${table} ALTER k TYPE text`)
      expect(await one('abc ')).toBe(1)
    }
  })

  test('a missing table, column or unique index is DATABASE_REFUSED, not the data’s fault', async () => {
    const table = await db.table('keyless', 'k text, n int')
    const one = (name: string, key: string) =>
      inTransaction(connection, 'batch', (trx) =>
        trx.mergeRows({
          table: name,
          keys: [key],
          aggregates: [{ column: 'n', rule: 'add' }],
          rows: [['a', 1]],
        }),
      )
    const refused = (text: string) => ({ code: 'DATABASE_REFUSED', message: expect.stringContaining(text) })
    expect(await rejection(one('nowhere', 'k'))).toMatchObject(refused("table 'nowhere' does not exist"))
    expect(await rejection(one(table, 'z'))).toMatchObject(refused("has no column 'z' (it has k, n)"))
    expect(await rejection(one(table, 'k'))).toMatchObject(refused('primary key or unique index'))
    expect(await rejection(one('a.b.c', 'k'))).toMatchObject(refused("'schema.table'"))
  })

  test('a table that was altered after its types were learnt is refused once, then learnt again', async () => {
    const table = await db.table('altered', 'k int PRIMARY KEY, n int')
    const one = (k: ColumnValue) =>
      inTransaction(connection, 'batch', (trx) =>
        trx.mergeRows({ table, keys: ['k'], aggregates: [{ column: 'n', rule: 'add' }], rows: [[k, 1]] }),
      )
    await one(1)
    await db.rows(`ALTER TABLE ${table} ALTER k TYPE text`)
    expect(await rejection(one('x'))).toMatchObject({ code: 'ROWS_REJECTED' })
    expect(await one('x')).toBe(1)
  })

  test('columns of array, domain and range types take the text of their values', async () => {
    await db.rows(`CREATE DOMAIN ${db.schema}.small AS int CHECK (VALUE < 10)`)
    const table = await db.table(
      'typed',
      `k int[] PRIMARY KEY, d ${db.schema}.small, r int4range, j jsonb, b bytea, v varchar(2)[]`,
    )
    const keys = ['k', 'r', 'j', 'b', 'v']
    await db.rows(`ALTER TABLE ${table} DROP CONSTRAINT typed_pkey, ADD PRIMARY KEY (k, r, j, b, v)`)
    const one = (d: number, v: string) => {
      const rows = [['{1,2}', '[1,5)', '{"a": [1, "x"]}', new Uint8Array([0, 92]), v, d]]
      return inTransaction(connection, 'batch', (trx) =>
        trx.mergeRows({ table, keys, aggregates: [{ column: 'd', rule: 'add' }], rows }),
      )
    }
    await one(4, '{ab}')
    await one(5, '{ab}')
    expect(await readTable(table, ['k', 'r', 'j', 'b', 'v', 'd'])).toEqual([
      ['{1,2}', '[1,5)', '{"a": [1, "x"]}', '\\x005c', '{ab}', '9'],
    ])
    expect(await rejection(one(1, '{ab}'))).toMatchObject({ code: 'ROWS_REJECTED' })
    expect(await rejection(one(1, '{abc}'))).toMatchObject({ code: 'ROWS_REJECTED' })
  })

  test('keys without aggregates are inserted once and count every time', async () => {
    const table = await db.table('keys_only', 'k text PRIMARY KEY')
    const write = { table, keys: ['k'], aggregates: [], rows: [['a'], ['b']] }
    expect(await inTransaction(connection, 'batch', (trx) => trx.mergeRows(write))).toBe(2)
    expect(await inTransaction(connection, 'batch', (trx) => trx.mergeRows(write))).toBe(2)
    expect((await readTable(table, ['k'])).sort()).toEqual([['a'], ['b']])
  })

  test('keys that the table does not keep apart are refused, with the reason', async () => {
    const table = await db.table('padded', 'k char(3) PRIMARY KEY, n int')
    const merged = inTransaction(connection, 'batch', (trx) =>
      trx.mergeRows({
        table,
        keys: ['k'],
        aggregates: [{ column: 'n', rule: 'add' }],
        rows: [
          ['a', 1],
          ['a ', 1],
        ],
      }),
    )
    expect(await rejection(merged)).toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining('does not keep them apart'),
    })
  })

  test('a search path that the job’s own code changes does not lead its rows elsewhere', async () => {
    await db.rows(`CREATE TABLE oncesink_path_test (x int PRIMARY KEY)`)
    const elsewhere = await db.table('oncesink_elsewhere', 'x int')
    const table = `${db.schema}.oncesink_path_test`
    const other = await db.connect()
    await inTransaction(other, 'batch', async (trx) => {
      const write = { table, keys: ['x'], aggregates: [], rows: [[1]] }
      await trx.mergeRows(write)
      await trx.runUserCode((knex) => knex.raw('SET LOCAL search_path = pg_catalog'))
      await trx.mergeRows({ ...write, rows: [[2]] })
      await trx.appendRows({ table, columns: ['x'], rows: [[3]] })
    })
    expect((await readTable(table, ['x'])).sort()).toEqual([['1'], ['2'], ['3']])
    expect(await readTable(elsewhere, ['x'])).toEqual([])
    await other.close()
  })

  test('rows that a trigger drops without an error are noticed', async () => {
    const table = await db.table('dropping', 'k int PRIMARY KEY, n int')
    await db.rows(
      `CREATE FUNCTION ${db.schema}.drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
    )
    await db.rows(
      `CREATE TRIGGER t BEFORE INSERT ON ${table} FOR EACH ROW WHEN (NEW.k = 2) EXECUTE FUNCTION ${db.schema}.drop_row()`,
    )
    const refused = { code: 'DATABASE_REFUSED', message: expect.stringContaining('took 2 of 3 rows') }
    const rows = [
      [1, 1],
      [2, 1],
      [3, 1],
    ]
    const merged = inTransaction(connection, 'batch', (trx) =>
      trx.mergeRows({ table, keys: ['k'], aggregates: [{ column: 'n', rule: 'add' }], rows }),
    )
    expect(await rejection(merged)).toMatchObject(refused)
    expect(await rejection(append(table, ['k', 'n'], rows))).toMatchObject(refused)
    expect(await readTable(table, ['k'])).toEqual([])
  })
})

describe('append', () => {
  test('any text, number, moment, bytes, boolean or null comes back as it went in', async () => {
    const table = await db.table(
      'roundtrip',
      'i int, t text, n bigint, f double precision, d numeric, at timestamptz, utc timestamp, b bytea, flag boolean',
    )
    const text = fc.oneof(
      fc.string({ unit: 'binary' }).map((s) => s.replaceAll('\0', '')),
      fc.string({
        unit: fc.constantFrom(
          '\\',
          '\t',
          '\n',
          '\r',
          'N',
          '.',
          "'",
          '"',
          '{',
          ',',
          '\b',
          '\v',
          '\u2028',
          '𝄞',
        ),
      }),
      fc.constantFrom('\\N', '\\.', '', ' ', 'NULL', '\\\\N'),
    )
    const moment = fc.date({
      min: new Date('-004000-01-01'),
      max: new Date('+250000-01-01'),
      noInvalidDate: true,
    })
    const row = fc.tuple(
      fc.option(text),
      fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      fc.option(fc.double().map((x) => x + 0)),
      fc.option(fc.bigInt().map((x) => `${x}.50`)),
      fc.option(moment),
      fc.option(moment),
      fc.option(fc.uint8Array()),
      fc.option(fc.boolean()),
    )
    const columns = ['t', 'n', 'f', 'd', 'at', 'utc', 'b', 'flag']
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
        await db.rows(`TRUNCATE ${table}`)
        const indexed = rows.map((values, i) => [i, ...values])
        expect(await append(table, ['i', ...columns], indexed)).toBe(rows.length)
        const stored = await db.rows<Record<string, unknown>>(
          `SELECT t, n, f, d, (extract(epoch FROM at) * 1000)::numeric(20)::text AS at,
             (extract(epoch FROM utc) * 1000)::numeric(20)::text AS utc, b, flag FROM ${table} ORDER BY i`,
        )
        for (const [i, [t, n, f, d, at, utc, b, flag]] of rows.entries()) {
          expect(stored[i]).toEqual({
            t,
            n: n === null ? null : String(n),
            f,
            d,
            at: at === null ? null : String(at.getTime()),
            utc: utc === null ? null : String(utc.getTime()),
            b: b === null ? null : Buffer.from(b),
            flag,
          })
        }
        // The same values by way of unnest arrays, and of parameters.
        await inTransaction(connection, 'batch', async (trx) => {
          await trx.runUserCode(async (knex) => {
            await knex(table).delete()
            for (const values of indexed)
              await knex(table).insert(Object.fromEntries(['i', ...columns].map((c, j) => [c, values[j]])))
          })
        })
        const again = await db.rows<Record<string, unknown>>(
          `SELECT t, n, f, d, (extract(epoch FROM at) * 1000)::numeric(20)::text AS at,
             (extract(epoch FROM utc) * 1000)::numeric(20)::text AS utc, b, flag FROM ${table} ORDER BY i`,
        )
        expect(again).toEqual(stored)
      }),
      { numRuns: 60 },
    )
  })

  test('any text is one key by way of merge and by way of append', async () => {
    const table = await db.table('keys', 't text PRIMARY KEY, n int')
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.string({ unit: fc.constantFrom('\\', '"', "'", '{', '}', ',', '\t', '\n', 'a', 'é', '𝄞', ' ') }),
          { minLength: 1 },
        ),
        async (texts) => {
          await db.rows(`TRUNCATE ${table}`)
          await append(
            table,
            ['t', 'n'],
            texts.map((t) => [t, 1]),
          )
          await inTransaction(connection, 'batch', (trx) =>
            trx.mergeRows({
              table,
              keys: ['t'],
              aggregates: [{ column: 'n', rule: 'add' }],
              rows: texts.map((t) => [t, 1]),
            }),
          )
          const stored = await readTable(table, ['t', 'n'])
          expect(stored.sort()).toEqual(texts.map((t) => [t, '2']).sort())
        },
      ),
      { numRuns: 60 },
    )
  })

  test('a value that cannot be stored is ROWS_REJECTED, names its place, and leaves the connection in order', async () => {
    const table = await db.table('picky', 'i int, t text, at timestamptz')
    const rejected = (text: string) => ({ code: 'ROWS_REJECTED', message: expect.stringContaining(text) })
    const many: ColumnValue[][] = Array.from({ length: 5_000 }, (_, i) => [i, 'x'.repeat(100), day])
    expect(await rejection(append(table, ['i', 't', 'at'], [...many, [5_000, 'a\0b', day]]))).toMatchObject(
      rejected('column t of row 5000'),
    )
    expect(await rejection(append(table, ['t'], [['\udc00']]))).toMatchObject(rejected('surrogate'))
    expect(await rejection(append(table, ['at'], [[new Date(Number.NaN)]]))).toMatchObject(
      rejected('invalid'),
    )
    expect(await rejection(append(table, ['i'], [['x']]))).toMatchObject(rejected('22P02'))
    expect(await rejection(append(table, ['i', 't', 'at'], [...many, ['x', 'y', day]]))).toMatchObject(
      rejected('22P02'),
    )
    expect(await readTable(table, ['i'])).toEqual([])
  })

  test('a constraint of the table is ROWS_REJECTED; a missing table is DATABASE_REFUSED', async () => {
    const table = await db.table('unique_rows', 'i int PRIMARY KEY')
    expect(await rejection(append(table, ['i'], [[1], [1]]))).toMatchObject({ code: 'ROWS_REJECTED' })
    expect(await rejection(append('nowhere', ['i'], [[1]]))).toMatchObject({ code: 'DATABASE_REFUSED' })
  })

  test('the fault point is reached in every COPY, and a failure there ends the COPY', async () => {
    const table = await db.table('faulty', 'i int, t text')
    let reached = 0
    const faultPoints = {
      reach: async (point: string) => {
        if (point !== 'transaction.copying') return
        reached += 1
        if (reached === 3) throw new Error('a fault')
      },
    }
    const faulty = await db.connect('job', { ...systemRuntime, faultPoints })
    const copy = (rows: ColumnValue[][]) =>
      inTransaction(faulty, 'batch', (trx) => trx.appendRows({ table, columns: ['i', 't'], rows }))
    expect(await copy([[1, 'a']])).toBe(1)
    expect(reached).toBe(1)
    const long = Array.from({ length: 1_000 }, (_, i) => [i, 'x'.repeat(1_000)])
    await expect(copy(long)).rejects.toThrow('a fault')
    expect(await copy(long)).toBe(1_000)
    expect(reached).toBeGreaterThan(10)
    expect((await readTable(table, ['i'])).length).toBe(1_001)
    await faulty.close()
  })
})

describe('reading a table', () => {
  test('gives every type as its documented text', async () => {
    const table = await db.table(
      'texts',
      'a timestamptz, b timestamp, c date, d numeric(10,3), e double precision, f bytea, g boolean, h bigint, i text, j timestamptz, k timestamptz',
    )
    await db.rows(
      `INSERT INTO ${table} VALUES ('2026-03-29 03:30:00.5+02', '2026-03-29 03:30', '2026-03-29', 1.5, 0.1, '\\x00ff', true, -5, 'x', 'infinity', '0044-03-15 12:00:00+00 BC')`,
    )
    const columns = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k']
    expect(await readTable(table, columns)).toEqual([
      [
        '2026-03-29T01:30:00.500000Z',
        '2026-03-29T03:30:00.000000',
        '2026-03-29',
        '1.500',
        '0.1',
        '\\x00ff',
        'true',
        '-5',
        'x',
        'infinity',
        '0044-03-15T12:00:00.000000Z BC',
      ],
    ])
  })

  test('rows and positions of one snapshot are of one moment, over several pages', async () => {
    const table = await db.table('paged', 'i int')
    await db.rows(`INSERT INTO ${table} SELECT generate_series(1, 5000)`)
    const trx = await connection.begin('snapshot')
    await trx.readPositions('job')
    await db.rows(`INSERT INTO ${table} SELECT generate_series(5001, 6000)`)
    let rows = 0
    for await (const row of trx.readTable(table, ['i'])) rows += row.length
    expect(rows).toBe(5_000)
    // A second time, and left early.
    for await (const row of trx.readTable(table, ['i'])) {
      expect(row).toEqual(['1'])
      break
    }
    await trx.rollback()
  })
})
