import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import type { ColumnValue } from '../../src/model/values.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { MysqlFixture, mysqlFlavours } from '../support/mysql-fixture.ts'
import { inTransaction } from '../support/postgres-fixture.ts'

const day = new Date('2026-03-29T01:30:00.250Z')

describe.each(mysqlFlavours)('rows on %s', (engine) => {
  const db = new MysqlFixture(engine)
  let connection: Connection

  beforeAll(async () => {
    await db.open()
    await db.useExactTexts()
    connection = await db.connect()
  })
  afterAll(() => db.drop())

  async function readTable(table: string, columns: string[], on = connection): Promise<(string | null)[][]> {
    return inTransaction(on, 'snapshot', async (trx) => {
      const rows: (string | null)[][] = []
      for await (const row of trx.readTable(table, columns)) rows.push(row)
      return rows
    })
  }

  async function append(table: string, columns: string[], rows: ColumnValue[][]): Promise<number> {
    return inTransaction(connection, 'batch', (trx) => trx.appendRows({ table, columns, rows }))
  }

  const count = (table: string, rows: ColumnValue[][], keys = ['k']) =>
    inTransaction(connection, 'batch', (trx) =>
      trx.mergeRows({ table, keys, aggregates: [{ column: 'n', rule: 'add' }], rows }),
    )

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
      'k varchar(64), at datetime(3), n bigint, total decimal(12,2), first int, last datetime(3), PRIMARY KEY (k, at)'

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
        ['both', day, null, null, null, null],
        ['left', day, null, null, null, null],
        ['right', day, 1, '2', 3, day],
      ])
      await merge(table, [
        ['both', day, null, null, null, null],
        ['left', day, 1, '2', 3, day],
        ['right', day, null, null, null, null],
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
        `SELECT count(*) AS count, CAST(sum(n) AS CHAR) AS n, max(n) AS most, max(first) AS first FROM ${table}`,
      )
      expect(row).toMatchObject({ n: '50000', most: 2, first: 24_999 })
    })

    test('texts that a default collation takes for one are kept apart', async () => {
      const table = await db.table('apart', 'k varchar(20) PRIMARY KEY, n int')
      const binary = await db.table('apart_binary', 'k varbinary(20) PRIMARY KEY, n int')
      const keys = [
        '',
        ' ',
        'a',
        'a ',
        'A',
        'ä',
        'a\u0308',
        'ß',
        'ss',
        'a\0',
        'a\u200b',
        '😀',
        '😁',
        '\\',
        '\\\\',
      ]
      for (const t of [table, binary]) {
        expect(
          await count(
            t,
            keys.map((k) => [k, 1]),
          ),
        ).toBe(keys.length)
        for (const k of keys) await count(t, [[k, 1]])
      }
      expect((await readTable(table, ['k', 'n'])).sort()).toEqual(keys.map((k) => [k, '2']).sort())
      const hex = (k: string) => `0x${Buffer.from(k).toString('hex')}`
      expect((await readTable(binary, ['k', 'n'])).sort()).toEqual(keys.map((k) => [hex(k), '2']).sort())
    })

    test.each([
      [
        'varchar(9) COLLATE utf8mb4_bin',
        'n int',
        /key column 'k' is varchar\(9\) collate utf8mb4_bin: it does not keep/,
      ],
      ['varchar(9) COLLATE utf8mb4_general_ci', 'n int', /does not keep them apart/],
      ['varchar(9) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin', 'n int', /does not keep them apart/],
      ['char(9)', 'n int', /does not keep them apart/],
      ["enum('a','b')", 'n int', /does not keep them apart/],
      ['float', 'n int', /does not keep them apart/],
      [
        'varchar(9)',
        'n int, e int, UNIQUE KEY by_e (e)',
        /unique index 'by_e' on \(e\) would decide as well/,
      ],
      ['varchar(9)', 'n int, e varchar(9), UNIQUE KEY by_e (e(3))', /unique index 'by_e' on \(e\(3\)\)/],
    ])('a table with the key %s, %s is refused', async (key, rest, reason) => {
      const table = await db.table(
        `refused_${reason.source.length}_${key.length}`,
        `k ${key} PRIMARY KEY, ${rest}`,
      )
      expect(await rejection(count(table, [['a', 1]]))).toMatchObject({
        code: 'DATABASE_REFUSED',
        message: expect.stringMatching(reason),
      })
      expect(await readTable(table, ['k'])).toEqual([])
      await db.rows(`DROP TABLE ${table}`)
    })

    test('a table without the unique key, or with one on a part of a text, is refused: rows would be repeated', async () => {
      const refused = {
        code: 'DATABASE_REFUSED',
        message: expect.stringContaining(
          'needs a primary key or unique index on exactly the key columns (k)',
        ),
      }
      expect(await rejection(count(await db.table('keyless', 'k int, n int'), [[1, 1]]))).toMatchObject(
        refused,
      )
      const prefix = await db.table('prefixed', 'k varchar(20) NOT NULL, n int, PRIMARY KEY (k(3))')
      expect(await rejection(count(prefix, [['a', 1]]))).toMatchObject(refused)
    })

    test('a key that the server would set to the present time stays what it is', async () => {
      const table = await db.table(
        'stamped',
        `k timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3) PRIMARY KEY, n int`,
      )
      await count(table, [[day, 1]])
      await count(table, [[day, 1]])
      expect(await readTable(table, ['k', 'n'])).toEqual([['2026-03-29T01:30:00.250000Z', '2']])
    })

    test('names that need quotes are taken as they are', async () => {
      const table = await db.table(
        '`Odd ``Table`` $1`',
        '`Key;--?` varchar(9), flag bit(3), `N\'"` int, PRIMARY KEY (`Key;--?`, flag)',
      )
      const write = {
        table: table.replaceAll('``', '\u0001').replaceAll('`', '').replaceAll('\u0001', '`'),
        keys: ['Key;--?', 'flag'],
        aggregates: [{ column: `N'"`, rule: 'add' as const }],
        rows: [['abc', 5, 2]],
      }
      await inTransaction(connection, 'batch', (trx) => trx.mergeRows(write))
      await inTransaction(connection, 'batch', (trx) => trx.mergeRows(write))
      expect(await readTable(write.table, ['Key;--?', 'flag', `N'"`])).toEqual([['abc', '5', '4']])
    })

    test('what the column cannot hold is ROWS_REJECTED and never cut or rounded away', async () => {
      const table = await db.table(
        'narrow',
        'k varchar(3) PRIMARY KEY, n smallint, CONSTRAINT positive CHECK (n <> 13)',
      )
      for (const row of [
        ['abcd', 1],
        ['abc ', 1],
        ['a', 40_000],
        ['a', '1.5'],
        ['a', 'x'],
        ['a', 13],
        ['\ud800', 1],
        [null, 1],
      ]) {
        expect(await rejection(count(table, [row]))).toMatchObject({ code: 'ROWS_REJECTED' })
      }
      await count(table, [['a', 32_767]])
      expect(await rejection(count(table, [['a', 1]]))).toMatchObject({
        code: 'ROWS_REJECTED',
        message: expect.stringMatching(/out of range/i),
      })
      expect(await readTable(table, ['k', 'n'])).toEqual([['a', '32767']])
    })

    test('keys that differ only in spaces beyond the length are refused, not cut to one row', async () => {
      const table = await db.table('spaced', 'k varchar(3) PRIMARY KEY, n int')
      await count(table, [['abc', 1]])
      await count(table, [['😀😀😀', 1]])
      for (const long of ['abc ', 'abc   ', '😀😀😀 ', 'abcd']) {
        const refused = {
          code: 'ROWS_REJECTED',
          message: expect.stringMatching(/column k of row \d for .*spaced: .* the column takes 3/),
        }
        expect(await rejection(count(table, [[long, 1]]))).toMatchObject(refused)
        expect(await rejection(append(table, ['k', 'n'], [[long, 1]]))).toMatchObject(refused)
      }
      expect((await readTable(table, ['k', 'n'])).sort()).toEqual([
        ['abc', '1'],
        ['😀😀😀', '1'],
      ])
      // A length that is gone is forgotten with the first refusal.
      await db.rows(`ALTER TABLE ${table} MODIFY k varchar(9) NOT NULL`)
      expect(await rejection(count(table, [['abc ', 1]]))).toMatchObject({ code: 'ROWS_REJECTED' })
      expect(await count(table, [['abc ', 1]])).toBe(1)
    })

    test('a missing table or column is DATABASE_REFUSED, not the data’s fault', async () => {
      const table = await db.table('plain', 'k varchar(9) PRIMARY KEY, n int')
      const refused = (text: string) => ({ code: 'DATABASE_REFUSED', message: expect.stringContaining(text) })
      expect(await rejection(count('nowhere', [['a', 1]]))).toMatchObject(
        refused("table 'nowhere' does not exist"),
      )
      expect(await rejection(count(table, [['a', 1]], ['z']))).toMatchObject(
        refused("has no column 'z' (it has k, n)"),
      )
      expect(await rejection(count('a.b.c', [['a', 1]]))).toMatchObject(refused("'database.table'"))
    })

    test('keys without aggregates are inserted once and count every time', async () => {
      const table = await db.table('keys_only', 'k varchar(9) PRIMARY KEY')
      const write = { table, keys: ['k'], aggregates: [], rows: [['a'], ['b']] }
      expect(await inTransaction(connection, 'batch', (trx) => trx.mergeRows(write))).toBe(2)
      expect(await inTransaction(connection, 'batch', (trx) => trx.mergeRows(write))).toBe(2)
      expect((await readTable(table, ['k'])).sort()).toEqual([['a'], ['b']])
    })

    test('what a trigger refuses with SIGNAL is the data’s fault', async () => {
      const table = await db.table('signalling', 'k int PRIMARY KEY, n int')
      await db.rows(
        `CREATE TRIGGER refuse BEFORE INSERT ON ${table} FOR EACH ROW
         BEGIN IF NEW.n < 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'n is negative'; END IF; END`,
      )
      expect(await rejection(count(table, [[1, -1]]))).toMatchObject({
        code: 'ROWS_REJECTED',
        message: expect.stringContaining('n is negative'),
      })
    })
  })

  describe('append', () => {
    test('any text, number, moment, bytes, boolean or null comes back as it went in', async () => {
      const table = await db.table(
        'roundtrip',
        'i int, t longtext, n bigint, f double, d decimal(65,30), at datetime(3), b longblob, flag boolean',
      )
      const text = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.string({
          unit: fc.constantFrom('\\', '\t', '\n', '\r', '\0', '\x1a', "'", '"', '%', '?', '\u2028', '𝄞'),
        }),
        fc.constantFrom('\\N', "\\'", '', ' ', 'NULL', "''", '-- ', '/*', '*/'),
      )
      const moment = fc.date({
        min: new Date('0001-01-01T00:00:00Z'),
        max: new Date('9999-12-31T23:59:59.999Z'),
        noInvalidDate: true,
      })
      const row = fc.tuple(
        fc.option(text),
        fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
        fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0)),
        fc.option(fc.bigInt({ min: -(10n ** 35n) + 1n, max: 10n ** 35n - 1n })),
        fc.option(moment),
        fc.option(fc.uint8Array()),
        fc.option(fc.boolean()),
      )
      const columns = ['i', 't', 'n', 'f', 'd', 'at', 'b', 'flag']
      await fc.assert(
        fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
          await db.rows(`DELETE FROM ${table}`)
          expect(
            await append(
              table,
              columns,
              rows.map((values, i) => [i, ...values]),
            ),
          ).toBe(rows.length)
          const stored = await readTable(table, columns)
          const expected = rows.map(([t, n, f, d, at, b, flag], i) => [
            String(i),
            t,
            n === null ? null : String(n),
            f,
            d === null ? null : `${d}.${'0'.repeat(30)}`,
            at === null ? null : at.toISOString().replace('Z', '000Z'),
            b === null ? null : `0x${Buffer.from(b).toString('hex')}`,
            flag === null ? null : String(flag),
          ])
          const read = stored.map((values) =>
            values.map((x, c) => (columns[c] === 'f' && x !== null ? Number(x) : x)),
          )
          expect(read.sort((a, b) => Number(a[0]) - Number(b[0]))).toEqual(expected)
        }),
        { numRuns: 40 },
      )
    })

    test('a value that cannot be stored is ROWS_REJECTED, names its place, and leaves the connection in order', async () => {
      const table = await db.table(
        'picky',
        'i int, t varchar(200), at datetime, d decimal(12,2), j json, y year, e varchar(9) CHARACTER SET latin1, u int unsigned',
      )
      const rejected = (text: string) => ({ code: 'ROWS_REJECTED', message: expect.stringContaining(text) })
      const many: ColumnValue[][] = Array.from({ length: 5_000 }, (_, i) => [i, 'x'.repeat(100)])
      const last = append(table, ['i', 't'], [...many, [5_000, '\udc00']])
      expect(await rejection(last)).toMatchObject(rejected('column t of row 5000'))
      const one = (column: string, value: ColumnValue) => rejection(append(table, [column], [[value]]))
      expect(await one('at', new Date(Number.NaN))).toMatchObject(rejected('invalid'))
      expect(await one('at', day)).toMatchObject(rejected('2 digits of a second and the column keeps 0'))
      expect(await one('d', '1.005')).toMatchObject(rejected('3 digits after the point'))
      expect(await one('d', Number.NaN)).toMatchObject(rejected('NaN is no number'))
      expect(await one('i', 'x')).toMatchObject(rejected("'x' is no number"))
      expect(await one('i', 3_000_000_000)).toMatchObject(rejected('1264'))
      expect(await one('u', -1)).toMatchObject(rejected('1264'))
      expect(await one('j', '{')).toMatchObject({ code: 'ROWS_REJECTED' })
      expect(await one('y', 1800)).toMatchObject(rejected('1264'))
      expect(await one('e', '😀')).toMatchObject(rejected('1366'))
      expect(await readTable(table, ['i'])).toEqual([])
    })

    test('what the server changes with no more than a note is refused', async () => {
      const table = await db.table('noted', 'a tinytext, b time')
      const refused = (text: string) => ({
        code: 'ROWS_REJECTED',
        message: expect.stringMatching(new RegExp(`took rows with 1 warnings.*${text}`)),
      })
      const long = `${'x'.repeat(255)} `
      expect(await rejection(append(table, ['a'], [[long]]))).toMatchObject(
        refused("truncated for column 'a'"),
      )
      expect(await readTable(table, ['a'])).toEqual([])
      await append(table, ['a', 'b'], [['ok', '12:00:00']])
    })

    test('a constraint of the table is ROWS_REJECTED; a missing table is DATABASE_REFUSED', async () => {
      const parent = await db.table('parents', 'i int PRIMARY KEY')
      const table = await db.table(
        'unique_rows',
        `i int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES ${parent} (i)`,
      )
      expect(await rejection(append(table, ['i'], [[1], [1]]))).toMatchObject({ code: 'ROWS_REJECTED' })
      expect(await rejection(append(table, ['i', 'p'], [[1, 7]]))).toMatchObject({ code: 'ROWS_REJECTED' })
      expect(await rejection(append('nowhere', ['i'], [[1]]))).toMatchObject({ code: 'DATABASE_REFUSED' })
    })

    test('rows larger than a packet together are cut into statements; one larger than a packet is refused', async () => {
      const table = await db.table('large', 'i int, t longtext')
      const [settings] = await db.rows('SELECT @@max_allowed_packet AS packet')
      const packet = Number(settings?.packet)
      // Three bytes each, so that characters do not stand for bytes.
      const piece = '€'.repeat(Math.ceil(packet / 3 / 4))
      const rows = Array.from({ length: 2 }, (_, i): ColumnValue[] => [i, piece])
      expect(await append(table, ['i', 't'], rows)).toBe(2)
      const [stored] = await db.rows(`SELECT count(*) AS n, min(char_length(t)) AS least FROM ${table}`)
      expect(stored).toEqual({ n: 2, least: piece.length })
      expect(await rejection(append(table, ['i', 't'], [[7, piece.repeat(4)]]))).toMatchObject({
        code: 'ROWS_REJECTED',
        message: expect.stringMatching(/row 0 for .*large is \d+ bytes of SQL.*max_allowed_packet/),
      })
      await db.rows(`DROP TABLE ${table}`)
    })

    test('the fault point is reached after every statement, and a failure there leaves the connection usable', async () => {
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
      const long = Array.from({ length: 1_000 }, (_, i) => [i, 'x'.repeat(5_000)])
      await expect(copy(long)).rejects.toThrow('a fault')
      expect(await copy(long)).toBe(1_000)
      expect(reached).toBeGreaterThan(5)
      expect((await readTable(table, ['i'])).length).toBe(1_001)
      await faulty.close()
    })
  })

  describe('reading a table', () => {
    test('gives every type as its documented text', async () => {
      const table = await db.table(
        'texts',
        'a datetime, b timestamp(6) NULL, c date, d decimal(10,3), e double, f varbinary(9), g boolean, h bigint unsigned, i varchar(9), j float, k bit(3), l boolean, m json',
      )
      await db.rows(`SET time_zone = '+02:00'`)
      await db.rows(
        `INSERT INTO ${table} VALUES ('2026-03-29 03:30:00', '2026-03-29 03:30:00.5', '2026-03-29', 1.5, 0.1, X'00ff', true,
         18446744073709551615, 'x', 0.1, 5, 7, '{"a": 1}')`,
      )
      await db.rows(`SET time_zone = 'SYSTEM'`)
      const columns = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm']
      expect(await readTable(table, columns)).toEqual([
        [
          ...[
            '2026-03-29T03:30:00.000000Z',
            '2026-03-29T01:30:00.500000Z',
            '2026-03-29',
            '1.500',
            '0.1',
            '0x00ff',
          ],
          ...['true', '18446744073709551615', 'x', '0.10000000149011612', '5', '7', '{"a": 1}'],
        ],
      ])
    })

    test('rows and positions of one snapshot are of one moment, over several pages', async () => {
      const table = await db.table('paged', 'i int')
      const rows = Array.from({ length: 5_000 }, (_, i) => [i])
      await append(table, ['i'], rows)
      const other = await db.connect()
      const trx = await other.begin('snapshot')
      await trx.readPositions('job')
      await append(table, ['i'], rows.slice(0, 1_000))
      let read = 0
      for await (const row of trx.readTable(table, ['i'])) read += row.length
      expect(read).toBe(5_000)
      // A second time, and left early: what the server has still to say ends with its session.
      for await (const row of trx.readTable(table, ['i'])) {
        expect(row).toHaveLength(1)
        break
      }
      await trx.rollback()
      expect(other.broken).toBe(true)
    })
  })
})
