import type { EventEmitter } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection, Transaction } from '../../src/database/dialect.ts'
import { openSession } from '../../src/database/mysql/connect.ts'
import { mysql } from '../../src/database/mysql/options.ts'
import { OncesinkError } from '../../src/errors.ts'
import { RowTextWriter } from '../../src/executor/row-text-writer.ts'
import { type RowText, rowTextValues } from '../../src/model/row-text.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { SeededRandom } from '../../src/runtime/seeded-random.ts'
import { MysqlFixture } from '../support/mysql-fixture.ts'
import { inTransaction, PostgresFixture } from '../support/postgres-fixture.ts'

/*
 * Rows that go to the server as text against the same rows as values: the same table, or the same refusal.
 */

const engines = ['postgres', 'mysql', 'mariadb'] as const

type Value = string | number | boolean | Date | null
const kinds = ['text', 'text', 'number', 'number', 'number', 'moment', 'boolean'] as const
const columns = ['name', 'note', 'pieces', 'amount', 'weight', 'at', 'gift']

function textOf(rows: readonly (readonly Value[])[]): RowText {
  const writer = new RowTextWriter(kinds.map((kind) => ({ kind, isOffset: false })))
  for (const row of rows) {
    writer.beginRow(0)
    for (const value of row) writer.value(value)
    writer.endRow()
  }
  return writer.finish()
}

const oddTexts = [
  '',
  ' ',
  '\\',
  '\\N',
  '\\.',
  'N',
  'NULL',
  'a\tb\nc\rd',
  '\t',
  '\n',
  "'",
  '"',
  "it's \\'",
  'é😀\u2028\ufeff',
  '\u007f\b\x1a%_',
  'trailing  ',
  '0',
  '-1.5e3',
]

function randomRows(random: SeededRandom, count: number, unusual: boolean): Value[][] {
  const pick = <T>(values: readonly T[]): T => values[random.integer(0, values.length - 1)] as T
  const text = (): string => {
    if (unusual && random.fraction() < 0.02) return 'a\0b'
    const piece = pick(oddTexts)
    if (random.fraction() < 0.3) return piece
    if (random.fraction() < 0.01) return piece.repeat(3_000)
    return Array.from({ length: random.integer(1, 12) }, () =>
      random.fraction() < 0.8 ? String.fromCharCode(random.integer(32, 126)) : pick(oddTexts),
    ).join('')
  }
  const orNull = (value: Value): Value => (random.fraction() < 0.1 ? null : value)
  return Array.from({ length: count }, () => [
    text(),
    orNull(text()),
    orNull(random.integer(-(2 ** 31), 2 ** 31 - 1) * pick([1, 1, 1_000_000])),
    orNull(random.integer(-99_999_999, 99_999_999) / pick([1, 10, 100, 10_000])),
    orNull(pick([0, 0.1, -2.5, 1e-3, 123456.789, ...(unusual ? [1e300, 5e-324] : [])])),
    orNull(new Date(random.integer(-60_000_000, 250_000_000) * 1_000_000 + random.integer(0, 999))),
    orNull(random.fraction() < 0.5),
  ])
}

/** Between a client and the server. @param lets whether what the client sends goes on to the server */
async function proxyTo(db: MysqlFixture, lets: (data: Buffer, client: Socket) => boolean): Promise<Server> {
  const proxy = createServer((client) => {
    const server = dial(Number(new URL(db.serverUrl).port), new URL(db.serverUrl).hostname)
    client.on('error', () => server.destroy()).on('close', () => server.destroy())
    server.on('error', () => client.destroy()).on('data', (data) => client.write(data))
    client.on('data', (data) => {
      if (lets(data, client)) server.write(data)
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return proxy
}

const portOf = (proxy: Server) => (proxy.address() as AddressInfo).port

/** Attributes may stand before the statement. */
const isLoad = (data: Buffer) => data.subarray(0, 32).includes('LOAD DATA LOCAL INFILE')

describe.each(engines)('rows that are text already, on %s', (engine) => {
  const db = engine === 'postgres' ? new PostgresFixture() : new MysqlFixture(engine)
  let connection: Connection
  let localInfile = ''

  beforeAll(async () => {
    await db.open()
    if (db instanceof MysqlFixture) {
      localInfile = (await db.rows('SELECT @@global.local_infile AS `on`'))[0]?.on ? 'ON' : 'OFF'
      await setLocalInfile('ON')
    }
    connection = await db.connect()
    const parents = await db.table('parents', 'id bigint PRIMARY KEY')
    await inTransaction(connection, 'batch', (trx) =>
      trx.appendRows({ table: parents, columns: ['id'], rows: [[1]] }),
    )
  })
  afterAll(async () => {
    if (db instanceof MysqlFixture) await setLocalInfile(localInfile)
    await db.drop()
  })

  /** Whoever shares the server only goes another way to the same rows. */
  async function setLocalInfile(value: string): Promise<void> {
    if (db instanceof MysqlFixture) await db.admin.query(`SET GLOBAL local_infile = ${value}`)
  }

  const types =
    engine === 'postgres'
      ? ['text', 'text', 'bigint', 'numeric(14,4)', 'double precision', 'timestamptz', 'boolean']
      : ['mediumtext', 'mediumtext', 'bigint', 'decimal(14,4)', 'double', 'datetime(3)', 'boolean']
  const definition = (own: readonly string[], at: readonly string[] = types) =>
    own.map((name) => `${name} ${at[columns.indexOf(name)]}`).join(', ')

  async function readTable(table: string, own: readonly string[], on = connection): Promise<string[]> {
    return inTransaction(on, 'snapshot', async (trx) => {
      const rows: string[] = []
      for await (const row of trx.readTable(table, own)) rows.push(JSON.stringify(row))
      return rows.sort()
    })
  }

  /** How often this session has loaded data, or whatever else, as far as the server counts it. */
  async function loads(trx: Transaction, counter = 'Com_load'): Promise<number> {
    if (engine === 'postgres') return 0
    let count = 0
    await trx.runUserCode(async (handle) => {
      const [rows] = (await handle.raw(`SHOW SESSION STATUS LIKE '${counter}'`)) as [{ Value: string }[]]
      count = Number(rows[0]?.Value)
    })
    return count
  }

  /** Only some of the columns of a text. */
  function some(text: RowText, own: readonly string[]): RowText {
    const values = rowTextValues(text).map((row) => own.map((name) => row[columns.indexOf(name)] as Value))
    const writer = new RowTextWriter(
      own.map((name) => ({ kind: kinds[columns.indexOf(name)] as (typeof kinds)[number], isOffset: false })),
    )
    for (const row of values) {
      writer.beginRow(0)
      for (const value of row) writer.value(value)
      writer.endRow()
    }
    return writer.finish()
  }

  let tables = 0
  async function twoTables(columnsOf: string): Promise<[string, string]> {
    tables += 1
    return [await db.table(`loaded_${tables}`, columnsOf), await db.table(`valued_${tables}`, columnsOf)]
  }

  test('make the same table as their values', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = new SeededRandom(seed)
    // What MySQL and MariaDB take by LOAD DATA, what they do not, and the whole of it.
    const loaded = ['name', 'note', 'pieces', 'amount', 'at']
    for (const [own, count, unusual] of [
      [loaded, 3_000, false],
      [columns, 500, false],
      [engine === 'postgres' ? columns.slice(2) : columns, 300, true],
      [['name'], 200, false],
    ] as const) {
      const [a, b] = await twoTables(definition(own))
      const text = some(textOf(randomRows(random, count, unusual)), own)
      const rows = rowTextValues(text)
      const before = await inTransaction(connection, 'batch', async (trx) => {
        const counted = await loads(trx)
        const undone = await loads(trx, 'Com_rollback_to_savepoint')
        expect(await trx.appendText({ table: a, columns: own, text })).toBe(count)
        expect(await loads(trx, 'Com_rollback_to_savepoint')).toBe(undone)
        return (await loads(trx)) - counted
      })
      await inTransaction(connection, 'batch', (trx) => trx.appendRows({ table: b, columns: own, rows }))
      const [actual, expected] = [await readTable(a, own), await readTable(b, own)]
      expect(actual, `seed ${seed}`).toEqual(expected)
      expect(actual).toHaveLength(count)
      // It was the short way that was tried.
      if (engine !== 'postgres') expect(before > 0).toBe(!(own as readonly string[]).includes('gift'))
    }
  }, 60_000)

  const day = new Date('2026-03-29T01:30:00.250Z')
  const row = (changes: Partial<Record<string, Value>>): Value[] =>
    columns.map((name, i) => changes[name] ?? (['n', 'note', 1, 1.5, 2.5, day, true] as const)[i] ?? null)
  const refusals: [string, string, Partial<Record<string, Value>>][] = [
    ['a key that is there already', 'name varchar(9) PRIMARY KEY, pieces bigint', { name: 'first' }],
    ['a text that is too long', 'name varchar(9), pieces bigint', { name: 'ten letters' }],
    ['a number out of range', 'name varchar(99), pieces smallint', { pieces: 40_000 }],
    ['a decimal out of range', 'name varchar(99), amount decimal(4,2)', { amount: 123.5 }],
    ['a decimal of too many digits', 'name varchar(99), amount decimal(9,1)', { amount: 1.25 }],
    ['NULL where there must be none', 'name varchar(99), pieces bigint NOT NULL', { pieces: null }],
    ['what a CHECK refuses', 'name varchar(99), pieces bigint CHECK (pieces < 7)', { pieces: 7 }],
    ['what a foreign key refuses', 'name varchar(99), pieces bigint REFERENCES parents (id)', { pieces: 8 }],
    ['a fraction for an integer', 'name varchar(99), amount int', { amount: 1.5 }],
    ['what a number is not', 'name int, pieces bigint', { name: 'n' }],
    ['nothing where there must be something', 'name varchar(99), pieces bigint, must int NOT NULL', {}],
    ...(engine === 'postgres'
      ? []
      : ([
          ['a text of more bytes than its type', 'name tinytext, pieces bigint', { name: 'x'.repeat(256) }],
          ['no member', "name enum('first', 'last'), pieces bigint", { name: 'middle' }],
          ['a moment before the first', 'name varchar(99), at timestamp(3)', { at: new Date(0) }],
        ] as [string, string, Partial<Record<string, Value>>][])),
  ]

  test.each(refusals)('are refused as their values are: %s', async (_, definitionOf, changes) => {
    const own = definitionOf
      .split(', ')
      .map((column) => column.split(' ')[0] as string)
      .filter((c) => columns.includes(c))
    const [a, b] = await twoTables(definitionOf)
    const bad =
      changes.pieces === null
        ? row({}).map((value, i) => (columns[i] === 'pieces' ? null : value))
        : row(changes)
    const text = some(textOf([row({ name: 'first' }), bad, row({ name: 'last' })]), own)
    const failure = async (work: (trx: Transaction) => Promise<number>, table: string) => {
      const error: unknown = await inTransaction(connection, 'batch', work).catch((reason: unknown) => reason)
      if (!(error instanceof OncesinkError)) throw new Error(`it was accepted: ${String(error)}`)
      return {
        code: error.code,
        message: error.message.replaceAll(table, 't').replaceAll(table.split('.')[1] ?? '', 't'),
      }
    }
    const byText = await failure((trx) => trx.appendText({ table: a, columns: own, text }), a)
    const byValues = await failure(
      (trx) => trx.appendRows({ table: b, columns: own, rows: rowTextValues(text) }),
      b,
    )
    expect(byText).toEqual(byValues)
    expect(await readTable(a, own)).toEqual([])
  })

  test('what was written before them in the transaction stays when they go the other way', async () => {
    if (engine === 'postgres') return
    const own = ['name', 'pieces']
    const [a] = await twoTables('name varchar(9), pieces bigint')
    const text = some(textOf([row({}), row({ name: 'm' })]), own)
    const fresh = await db.connect()
    // Turned off after the session has looked.
    await setLocalInfile('OFF')
    try {
      await inTransaction(fresh, 'batch', async (trx) => {
        await trx.appendRows({ table: a, columns: own, rows: [['before', 7]] })
        expect(await trx.appendText({ table: a, columns: own, text })).toBe(2)
      })
      // Looked at anew: there is nothing to try.
      const later = await db.connect()
      await inTransaction(later, 'batch', async (trx) => {
        const counted = await loads(trx)
        expect(await trx.appendText({ table: a, columns: own, text })).toBe(2)
        expect((await loads(trx)) - counted).toBe(0)
      })
    } finally {
      await setLocalInfile('ON')
    }
    expect(await readTable(a, own)).toEqual(
      ['["before","7"]', '["m","1"]', '["m","1"]', '["n","1"]', '["n","1"]'].sort(),
    )
  })

  test('a column that they lack and that has no default is noticed, also one that the table has only now', async () => {
    const own = ['name', 'pieces']
    const [a] = await twoTables('name varchar(9), pieces bigint')
    const text = some(textOf([row({}), row({ name: 'm' })]), own)
    const append = () =>
      inTransaction(connection, 'batch', (trx) => trx.appendText({ table: a, columns: own, text }))
    await append()
    if (db instanceof PostgresFixture) {
      await db.admin.query(`ALTER TABLE ${a} ADD must int NOT NULL DEFAULT 0`)
      await db.admin.query(`ALTER TABLE ${a} ALTER must DROP DEFAULT`)
    } else await db.admin.query(`ALTER TABLE ${a} ADD must int NOT NULL`)
    await expect(append()).rejects.toThrow(/must/)
    expect(await readTable(a, own)).toHaveLength(2)
  })

  test('go by INSERT through a proxy that refuses LOAD DATA LOCAL as ProxySQL does', async () => {
    if (!(db instanceof MysqlFixture)) return
    const own = ['name', 'pieces']
    const [a] = await twoTables('name varchar(9), pieces bigint')
    const text = some(textOf([row({}), row({ name: 'm' })]), own)
    let refused = 0
    const proxy = await proxyTo(db, (data, client) => {
      if (!isLoad(data)) return true
      refused += 1
      const error = "\xff\x17\x04#08S01Unsupported 'LOAD DATA LOCAL INFILE' command"
      client.write(Buffer.from(`${String.fromCharCode(error.length)}\0\0\x01${error}`, 'latin1'))
      return false
    })
    try {
      const plan = mysql({ connectionString: db.urlAs({ port: portOf(proxy) }) })
      const through = await db.connect('job', undefined, 'test', plan)
      for (let batch = 0; batch < 2; batch++) {
        await inTransaction(through, 'batch', async (trx) => {
          expect(await trx.appendText({ table: a, columns: own, text })).toBe(2)
        })
      }
      expect(refused).toBe(1)
      through.destroy()
    } finally {
      proxy.close()
    }
    expect(await readTable(a, own)).toEqual(['["m","1"]', '["m","1"]', '["n","1"]', '["n","1"]'])
  })

  test('spaces that do not fit are missed, also where the server is told to say no notes', async () => {
    if (!(db instanceof MysqlFixture) || db.flavour !== 'mariadb') return
    const [a] = await twoTables('name tinytext, pieces bigint')
    await db.admin.query("SET GLOBAL note_verbosity = ''")
    const fresh = await db.connect().finally(() => db.admin.query('SET GLOBAL note_verbosity = DEFAULT'))
    const own = ['name', 'pieces']
    const text = some(textOf([row({}), row({ name: `${'x'.repeat(255)} ` })]), own)
    for (const work of [
      (trx: Transaction) => trx.appendText({ table: a, columns: own, text }),
      (trx: Transaction) => trx.appendRows({ table: a, columns: own, rows: rowTextValues(text) }),
    ]) {
      await expect(inTransaction(fresh, 'batch', work)).rejects.toThrow(/Data truncated/)
    }
  })

  test('a connection that is lost while rows are on their way is told as lost, and nothing of them stays', async () => {
    if (!(db instanceof MysqlFixture)) return
    const own = ['name', 'note']
    const [a] = await twoTables('name varchar(9), note mediumtext')
    const note = 'x'.repeat(1_000_000)
    const text = some(textOf(Array.from({ length: 6 }, () => row({ note }))), own)
    let loading = 0
    const proxy = await proxyTo(db, (data, client) => {
      if (loading > 0 || isLoad(data)) loading += data.length
      if (loading > 1_500_000) client.destroy()
      return loading <= 1_500_000
    })
    try {
      const plan = mysql({ connectionString: db.urlAs({ port: portOf(proxy) }) })
      const through = await db.connect('job', undefined, 'test', plan)
      const lost = inTransaction(through, 'batch', (trx) => trx.appendText({ table: a, columns: own, text }))
      await expect(lost).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    } finally {
      proxy.close()
    }
    expect(await readTable(a, own)).toEqual([])
  })

  test('a LOAD DATA that fails when it has its rows leaves nothing on the connection', async () => {
    if (!(db instanceof MysqlFixture)) return
    const [a] = await twoTables('name varchar(9)')
    await db.admin.query(
      `CREATE TRIGGER ${a}_t BEFORE INSERT ON ${a} FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'`,
    )
    const { session } = await openSession(db.plan, { job: 'job', owner: 'test' }, systemRuntime)
    try {
      const { stream } = session.client as unknown as { stream: EventEmitter }
      const listeners = () => [stream.listenerCount('drain'), stream.listenerCount('pause')]
      const before = listeners()
      const load = session.query(
        `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${a}`,
        [],
        { scope: 'sink', doing: 'load' },
        { infile: () => Readable.from([Buffer.from('n\n')]) },
      )
      await expect(load).rejects.toThrow(/no \[/)
      expect(listeners()).toEqual(before)
      await session.query('DO 1', [], { scope: 'sink', doing: 'go on' })
    } finally {
      session.destroy()
    }
  })

  test('go by INSERT where a cluster splits LOAD DATA', async () => {
    if (!(db instanceof MysqlFixture) || db.flavour !== 'mariadb') return
    const own = ['name', 'pieces']
    const [a] = await twoTables('name varchar(9), pieces bigint')
    await db.admin.query('SET GLOBAL wsrep_load_data_splitting = ON')
    const fresh = await db.connect().finally(async () => {
      await db.admin.query('SET GLOBAL wsrep_load_data_splitting = OFF')
    })
    await inTransaction(fresh, 'batch', async (trx) => {
      const counted = await loads(trx)
      await trx.appendText({ table: a, columns: own, text: some(textOf([row({}), row({})]), own) })
      expect((await loads(trx)) - counted).toBe(0)
    })
  })

  test('a table with a trigger takes no LOAD DATA', async () => {
    if (!(db instanceof MysqlFixture)) return
    const own = ['name', 'pieces']
    const [a] = await twoTables('name varchar(9), pieces bigint')
    await db.admin.query(
      `CREATE TRIGGER ${a}_t BEFORE INSERT ON ${a} FOR EACH ROW SET NEW.pieces = NEW.pieces * 2`,
    )
    await inTransaction(connection, 'batch', async (trx) => {
      const counted = await loads(trx)
      await trx.appendText({ table: a, columns: own, text: some(textOf([row({}), row({})]), own) })
      expect((await loads(trx)) - counted).toBe(0)
    })
    expect(await readTable(a, own)).toEqual(['["n","2"]', '["n","2"]'])
  })
})
