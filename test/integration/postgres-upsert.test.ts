import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection, UpsertWrite } from '../../src/database/dialect.ts'
import { inTransaction, PostgresFixture } from '../support/postgres-fixture.ts'

const db = new PostgresFixture()
let connection: Connection

beforeAll(async () => {
  await db.open()
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

describe('upsertRows', () => {
  test('inserts new keys, replaces known ones and deletes others, over a composite key', async () => {
    const table = await db.table('upserted', 'a text, b bigint, v text, PRIMARY KEY (a, b)')
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
      `k int PRIMARY KEY, v text, note text, status varchar(9) DEFAULT 'new', price numeric(5,2) DEFAULT 1,
       id bigserial, made timestamptz DEFAULT now(), at timestamptz DEFAULT CURRENT_TIMESTAMP,
       token uuid DEFAULT gen_random_uuid(), own int GENERATED ALWAYS AS IDENTITY, twice int GENERATED ALWAYS AS (k * 2) STORED`,
    )
    const all = ['k', 'v', 'note', 'status', 'price', 'id', 'made', 'at', 'token', 'own', 'twice']
    await upsert({
      table,
      keys: ['k'],
      columns: ['v', 'note', 'status', 'price'],
      rows: [[1, 'a', 'b', 'old', '2.50']],
      deletes: [],
    })
    const [before] = await content(table, all)
    expect(before?.slice(0, 5)).toEqual(['1', 'a', 'b', 'old', '2.50'])
    await upsert({ table, keys: ['k'], columns: ['v'], rows: [[1, 'c']], deletes: [] })
    const [after] = await content(table, all)
    expect(after).toEqual(['1', 'c', null, 'new', '1.00', ...(before?.slice(5) ?? [])])
  })

  test('a table of keys alone takes its rows as often as they come', async () => {
    const table = await db.table('keys_alone', 'k text PRIMARY KEY, id serial')
    const write = { table, keys: ['k'], columns: [], deletes: [] }
    await upsert({ ...write, rows: [['a'], ['b']] })
    expect(await upsert({ ...write, rows: [['a'], ['b']] })).toBe(2)
    expect(await content(table, ['k', 'id'])).toEqual([
      ['a', '1'],
      ['b', '2'],
    ])
  })

  test('a value moves from a deleted row to another one, though it is unique', async () => {
    const table = await db.table('moved', 'k int PRIMARY KEY, email text UNIQUE')
    const write = { table, keys: ['k'], columns: ['email'] }
    await upsert({ ...write, rows: [[2, 'a@b']], deletes: [] })
    await upsert({ ...write, rows: [[1, 'a@b']], deletes: [[2]] })
    expect(await content(table, ['k', 'email'])).toEqual([['1', 'a@b']])
  })

  test('keys and values are what they are, however hostile', async () => {
    const column = 'v "quoted"; DROP TABLE x; -- 💥'
    const name = `up "sert'; 💥`
    await db.admin.query(
      `CREATE TABLE "${name.replaceAll('"', '""')}" ("__proto__" text PRIMARY KEY, "${column.replaceAll('"', '""')}" text)`,
    )
    const table = `${db.schema}.${name}`
    const write = { table, keys: ['__proto__'], columns: [column] }
    const hostile = [
      '',
      ' ',
      "'",
      '"',
      '\\',
      '\\N',
      '{a,b}',
      'NULL',
      '__proto__',
      "'; DROP TABLE x; --",
      '💥',
      'é'.repeat(2000),
    ]
    const rows = hostile.sort().map((value) => [value, value])
    await upsert({ ...write, rows, deletes: [] })
    expect(await content(table, ['__proto__', column])).toEqual([...rows].sort())
    await upsert({ ...write, rows: [], deletes: rows.slice(1).map(([key]) => [key ?? '']) })
    expect(await content(table, ['__proto__', column])).toEqual(rows.slice(0, 1))
  })

  test('more rows than one statement takes', async () => {
    const table = await db.table('many', 'k int PRIMARY KEY, v int')
    const rows = Array.from({ length: 10_001 }, (_, i) => [i, -i])
    const write = { table, keys: ['k'], columns: ['v'] }
    expect(await upsert({ ...write, rows, deletes: [] })).toBe(10_001)
    expect(await upsert({ ...write, rows: [[0, 5]], deletes: rows.slice(1).map(([k]) => [k ?? 0]) })).toBe(
      10_001,
    )
    expect(await content(table, ['k', 'v'])).toEqual([['0', '5']])
  })

  test('a trigger that drops rows is noticed, and says which table', async () => {
    const table = await db.table('dropped', 'k int PRIMARY KEY')
    await db.admin.query(`CREATE FUNCTION ${table}_drop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER dropper BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION ${table}_drop()`)
    await expect(upsert({ table, keys: ['k'], columns: [], rows: [[1]], deletes: [] })).rejects.toMatchObject(
      {
        code: 'DATABASE_REFUSED',
        message: expect.stringContaining(`${table} took 0 of 1 rows without an error`),
      },
    )
  })

  test.each<[string, Partial<UpsertWrite>]>([
    ['a value that its column refuses', { rows: [['a', 'x'.repeat(4)]] }],
    ['NUL in text', { rows: [['a', 'x\0']] }],
    ['NULL where there must be a value', { rows: [['a', null]] }],
    ['NUL in the key of a delete', { deletes: [['\0']] }],
  ])('%s is rejected as the data’s fault', async (_, part) => {
    const table = await db.table(`refusing_${++tables}`, 'k text PRIMARY KEY, v varchar(3) NOT NULL')
    const write = { table, keys: ['k'], columns: ['v'], rows: [], deletes: [], ...part }
    await expect(upsert(write)).rejects.toMatchObject({ code: 'ROWS_REJECTED' })
  })
})
