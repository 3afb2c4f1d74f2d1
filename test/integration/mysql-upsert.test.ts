import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection, UpsertWrite } from '../../src/database/dialect.ts'
import { MysqlFixture, mysqlFlavours } from '../support/mysql-fixture.ts'
import { inTransaction } from '../support/postgres-fixture.ts'

describe.each(mysqlFlavours)('upsertRows on %s', (engine) => {
  const db = new MysqlFixture(engine)
  let connection: Connection

  beforeAll(async () => {
    await db.open()
    await db.useExactTexts()
    connection = await db.connect()
  })
  afterAll(() => db.drop())

  let tables = 0
  const upsert = (write: UpsertWrite) => inTransaction(connection, 'batch', (trx) => trx.upsertRows(write))

  async function content(table: string, columns: string[]): Promise<(string | null)[][]> {
    return inTransaction(connection, 'snapshot', async (trx) => {
      const rows: (string | null)[][] = []
      for await (const row of trx.readTable(table, columns)) rows.push(row)
      return rows.sort()
    })
  }

  test('inserts new keys, replaces known ones and deletes others, over a composite key', async () => {
    const table = await db.table('upserted', 'a varchar(9), b bigint, v varchar(9), PRIMARY KEY (a, b)')
    const write = { table, keys: ['a', 'b'], columns: ['v'] }
    const first = [
      ['x', 1, 'one'],
      ['x', 2, 'two'],
      ['y', 1, null],
    ]
    expect(await upsert({ ...write, rows: first, deletes: [] })).toBe(3)
    const sent = await upsert({
      ...write,
      rows: [
        ['x', 2n, 'zwei'],
        ['z', 9n, 'neun'],
      ],
      deletes: [
        ['x', 1],
        ['y', 7],
      ],
    })
    expect(sent).toBe(4)
    expect(await content(table, ['a', 'b', 'v'])).toEqual([
      ['x', '2', 'zwei'],
      ['y', '1', null],
      ['z', '9', 'neun'],
    ])
  })

  test('a column that is not written gets what an insert gives it, unless the server computes it', async () => {
    const table = await db.table(
      'defaults',
      `k int PRIMARY KEY, v varchar(9), note varchar(9), status varchar(9) DEFAULT 'now()', price decimal(5,2) DEFAULT 1,
       made datetime(6) DEFAULT CURRENT_TIMESTAMP(6), at timestamp NULL DEFAULT CURRENT_TIMESTAMP, w text DEFAULT ('f(x)'),
       token varchar(40) DEFAULT (uuid()), twice int GENERATED ALWAYS AS (k * 2) STORED`,
    )
    const all = ['k', 'v', 'note', 'status', 'price', 'w', 'made', 'at', 'token', 'twice']
    await upsert({
      table,
      keys: ['k'],
      columns: ['v', 'note', 'status', 'price', 'w'],
      rows: [[1, 'a', 'b', 'old', '2.50', 'old']],
      deletes: [],
    })
    const [before] = await content(table, all)
    expect(before?.slice(0, 6)).toEqual(['1', 'a', 'b', 'old', '2.50', 'old'])
    await upsert({ table, keys: ['k'], columns: ['v'], rows: [[1, 'c']], deletes: [] })
    const [after] = await content(table, all)
    expect(after).toEqual(['1', 'c', null, 'now()', '1.00', 'f(x)', ...(before?.slice(6) ?? [])])
  })

  test('a counted column keeps its number; a table of keys alone takes its rows as often as they come', async () => {
    const counted = await db.table(
      'counted',
      'id bigint AUTO_INCREMENT, k int, v int, PRIMARY KEY (k), KEY (id)',
    )
    for (const v of [5, 6])
      await upsert({ table: counted, keys: ['k'], columns: ['v'], rows: [[1, v]], deletes: [] })
    expect(await content(counted, ['id', 'k', 'v'])).toEqual([['1', '1', '6']])
    const table = await db.table('keys_alone', 'k varchar(9) PRIMARY KEY')
    const write = { table, keys: ['k'], columns: [], deletes: [] }
    await upsert({ ...write, rows: [['a'], ['b']] })
    expect(await upsert({ ...write, rows: [['a'], ['b']] })).toBe(2)
    expect(await content(table, ['k'])).toEqual([['a'], ['b']])
  })

  test('a second unique index is refused: a row of another key would be replaced', async () => {
    const table = await db.table('second', 'k int PRIMARY KEY, email varchar(20) UNIQUE')
    const write = { table, keys: ['k'], columns: ['email'], rows: [[1, 'a@b']], deletes: [] }
    await expect(upsert(write)).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining("unique index 'email' on (email)"),
    })
  })

  test('keys and values are what they are, however hostile', async () => {
    const column = 'v `quoted`; DROP TABLE x; -- ü'
    const name = "up `sert'; ü"
    const quoted = (text: string) => `\`${text.replaceAll('`', '``')}\``
    await db.rows(`CREATE TABLE ${quoted(name)} (__proto__ varchar(700) PRIMARY KEY, ${quoted(column)} text)`)
    const table = `${db.schema}.${name}`
    const write = { table, keys: ['__proto__'], columns: [column] }
    const hostile = [
      ...[
        '',
        ' ',
        "'",
        '"',
        '\\',
        "\\'",
        '\\N',
        'NULL',
        '__proto__',
        "'; DROP TABLE x; --",
        '💥',
        '?',
        'a',
        'A',
        'a ',
      ],
      'é'.repeat(700),
      'a\0',
    ]
    const rows = hostile.sort().map((value) => [value, value])
    await upsert({ ...write, rows, deletes: [] })
    expect(await content(table, ['__proto__', column])).toEqual([...rows].sort())
    await upsert({ ...write, rows: [], deletes: rows.slice(1).map(([key]) => [key ?? '']) })
    expect(await content(table, ['__proto__', column])).toEqual(rows.slice(0, 1))
  })

  test('more rows than one statement takes', async () => {
    const table = await db.table('many', 'k int, j int, v int, PRIMARY KEY (k, j)')
    const rows = Array.from({ length: 3_001 }, (_, i) => [i, i % 7, -i])
    const write = { table, keys: ['k', 'j'], columns: ['v'] }
    expect(await upsert({ ...write, rows, deletes: [] })).toBe(3_001)
    const deletes = rows.slice(1).map(([k = 0, j = 0]) => [k, j])
    expect(await upsert({ ...write, rows: [[0, 0, 5]], deletes })).toBe(3_001)
    expect(await content(table, ['k', 'j', 'v'])).toEqual([['0', '0', '5']])
  })

  test.each<[string, Partial<UpsertWrite>]>([
    ['a value that its column refuses', { rows: [['a', 'x'.repeat(4)]] }],
    ['NULL where there must be a value', { rows: [['a', null]] }],
    ['half a character in the key of a delete', { deletes: [['\ud800']] }],
  ])('%s is rejected as the data’s fault', async (_, part) => {
    tables += 1
    const table = await db.table(`refusing_${tables}`, 'k varchar(9) PRIMARY KEY, v varchar(3) NOT NULL')
    const write = { table, keys: ['k'], columns: ['v'], rows: [], deletes: [], ...part }
    await expect(upsert(write)).rejects.toMatchObject({ code: 'ROWS_REJECTED' })
  })
})
