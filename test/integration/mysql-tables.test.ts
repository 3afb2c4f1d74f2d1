import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import { createMysqlDialect } from '../../src/database/mysql/dialect.ts'
import { mysql } from '../../src/database/mysql/options.ts'
import { count, from, json, maxBy, merge, sum, sumDecimal, tumbling } from '../../src/index.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { checkSinkTable } from '../../src/sink/check-table.ts'
import { MysqlFixture, mysqlFlavours } from '../support/mysql-fixture.ts'

describe.each(mysqlFlavours)('describing a table of %s', (engine) => {
  const db = new MysqlFixture(engine)
  let connection: Connection

  beforeAll(async () => {
    await db.open()
    await db.useExactTexts()
    connection = await db.connect()
  })
  afterAll(() => db.drop())

  test('tells columns, scales, steps, lengths and unique keys, the primary key first', async () => {
    const table = await db.table(
      'described',
      `id bigint AUTO_INCREMENT, k varchar(20) NOT NULL, \`At\` datetime(3), n decimal(14,2) DEFAULT 0, free double,
       v varchar(5) COLLATE utf8mb4_general_ci, twice int GENERATED ALWAYS AS (1 + 1) STORED, flag boolean,
       made datetime DEFAULT (CURRENT_TIMESTAMP), seen timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, vb varbinary(9),
       b binary(16), e enum('a'), u bigint unsigned DEFAULT NULL, word varchar(9) DEFAULT 'NULL', PRIMARY KEY (k, id), UNIQUE KEY only_id (id),
       UNIQUE KEY half (v(2)), KEY plain (free)`,
    )
    const described = await connection.describeTable(table)
    expect(described).toMatchObject({
      qualifiedName: `\`${db.schema}\`.\`described\``,
      kind: 'table',
      uniqueKeys: [['k', 'id'], ['id']],
      alsoMatching: [
        { name: 'PRIMARY', columns: ['k', 'id'] },
        { name: 'half', columns: ['v(2)'] },
        { name: 'only_id', columns: ['id'] },
      ],
      missingPrivileges: [],
      warnings: [],
    })
    const column = (name: string) => described?.columns.find((c) => c.name === name)
    expect(column('id')).toMatchObject({
      class: 'integer',
      nullable: false,
      hasDefault: true,
      generated: false,
    })
    expect(column('k')).toMatchObject({ class: 'text', maxLength: 20, nullable: false, hasDefault: false })
    expect(column('At')).toMatchObject({ type: 'datetime(3)', class: 'instant', stepMs: 1, nullable: true })
    expect(column('n')).toMatchObject({ class: 'decimal', scale: 2, rounds: false, hasDefault: true })
    expect(column('free')).toMatchObject({ class: 'double', scale: null, hasDefault: false })
    expect(column('v')).toMatchObject({ type: 'varchar(5) collate utf8mb4_general_ci', class: 'folded text' })
    expect(column('twice')).toMatchObject({ generated: true })
    expect(column('flag')).toMatchObject({ class: 'boolean' })
    expect(column('made')).toMatchObject({
      class: 'instant',
      stepMs: 1000,
      hasDefault: true,
      generated: false,
    })
    expect(column('seen')).toMatchObject({ class: 'instant', nullable: false, hasDefault: true })
    expect(column('vb')).toMatchObject({ class: 'binary text' })
    expect(column('b')).toMatchObject({ class: 'bytes' })
    expect(column('e')).toMatchObject({ class: 'folded text' })
    expect(column('u')).toMatchObject({ class: 'integer', hasDefault: false })
    expect(column('word')).toMatchObject({ class: 'text', hasDefault: true })
  })

  test('null for what does not exist; a table is found in the database of the connection', async () => {
    await db.table('here', 'x int')
    expect(await connection.describeTable('here')).toMatchObject({
      qualifiedName: `\`${db.schema}\`.\`here\``,
    })
    expect(await connection.describeTable('no_such_table')).toBeNull()
    expect(await connection.describeTable('no_such_database.t')).toBeNull()
  })

  test('what is not a table of InnoDB is told by its kind, a partitioned one is a table', async () => {
    const kind = async (name: string) => (await connection.describeTable(`${db.schema}.${name}`))?.kind
    for (const engineOfTable of ['MyISAM', 'MEMORY', 'CSV', ...(engine === 'mariadb' ? ['Aria'] : [])]) {
      await db.table(`of_${engineOfTable}`, 'x int NOT NULL', `ENGINE = ${engineOfTable}`)
      expect(await kind(`of_${engineOfTable}`)).toBe(`${engineOfTable} table`)
    }
    await db.rows(`CREATE VIEW ${db.schema}.seen AS SELECT 1 AS x`)
    expect(await kind('seen')).toBe('view')
    await db.table('parted', 'x int PRIMARY KEY', 'ENGINE = InnoDB PARTITION BY HASH (x) PARTITIONS 3')
    expect(await kind('parted')).toBe('table')
  })

  test('warns of triggers, and of tables in them whose rows stay after a rollback', async () => {
    const table = await db.table('watched', 'x int')
    await db.table('audit', 'x int', 'ENGINE = MyISAM')
    await db.table('audit_more', 'x int')
    await db.rows(
      `CREATE TRIGGER into_audit AFTER INSERT ON ${table} FOR EACH ROW INSERT INTO Audit VALUES (NEW.x)`.replace(
        'Audit',
        'audit',
      ),
    )
    await db.rows(
      `CREATE TRIGGER into_more AFTER UPDATE ON ${table} FOR EACH ROW INSERT INTO audit_more VALUES (1)`,
    )
    const { warnings } = (await connection.describeTable(table)) ?? { warnings: [] }
    expect(warnings).toEqual([
      'trigger into_audit on watched runs with every INSERT: it may change rows',
      expect.stringMatching(
        /^trigger into_audit on watched names audit, a table of MyISAM: .* stays .* rolled back/,
      ),
      'trigger into_more on watched runs with every UPDATE: it may change rows',
    ])
  })

  test('privileges that are missing are told to the user concerned, columns and roles included', async () => {
    const user = `'oncesink_${randomUUID().slice(0, 8)}'@'localhost'`
    const table = await db.table('guarded', 'x int NOT NULL, y int NOT NULL, z int AS (x + 1)')
    await db.rows(`CREATE USER ${user} IDENTIFIED BY 'x'`)
    await db.table('own', 'x int')
    try {
      // Oncesink's session needs the database to be there.
      await db.rows(`GRANT SELECT ON ${db.schema}.own TO ${user}`)
      const name = /^'(\w+)'/.exec(user)?.[1] ?? ''
      const limited = await createMysqlDialect(
        mysql({ connectionString: db.urlAs({ user: name, password: 'x' }) }),
        systemRuntime,
      ).connect({ job: 'job', owner: 'test' })
      expect(await limited.describeTable(table)).toBeNull()
      await db.rows(`GRANT SELECT, INSERT (x), UPDATE (x, y) ON ${table} TO ${user}`)
      expect(await limited.describeTable(table)).toMatchObject({ missingPrivileges: ['INSERT', 'DELETE'] })
      await db.rows(`GRANT INSERT ON ${table} TO ${user}`)
      await db.rows(`REVOKE SELECT ON ${table} FROM ${user}`)
      expect(await limited.describeTable(table)).toMatchObject({ missingPrivileges: ['SELECT', 'DELETE'] })
      expect(limited.broken).toBe(false)
      await limited.close()
    } finally {
      await db.rows(`DROP USER ${user}`)
    }
  })

  describe('what a job finds before it begins', () => {
    interface Order {
      item: string
      amount: number
      at: string
    }
    const { plan } = from({ kind: 'test', startFrom: 'earliest' })
      .decode(json<Order>())
      .groupBy({ item: (o) => o.item, minute: tumbling('1 minute', (o) => o.at) })
      .aggregate({
        orders: count(),
        quantity: sum((o) => o.amount),
        revenue: sumDecimal((o) => o.amount, { scale: 2 }),
        last: maxBy((o) => o.item, { by: (o) => new Date(o.at) }),
      })
      .into(merge({ table: 't' }))
    const exact = db.exactCollation
    const fit: Readonly<Record<string, string>> = {
      item: 'varchar(64) NOT NULL',
      minute: 'datetime NOT NULL',
      orders: 'bigint',
      quantity: 'bigint',
      revenue: 'decimal(14,2)',
      last: 'varchar(64)',
      last_by: 'datetime(3)',
    }
    let tables = 0
    const problemsOf = async (change: Readonly<Record<string, string>>, more = '', options?: string) => {
      const columns = Object.entries({ ...fit, ...change }).map(([name, type]) => `${name} ${type}`)
      tables += 1
      const table = await db.table(`checked_${tables}`, `${columns.join(', ')}${more}`, options)
      return checkSinkTable(plan, await connection.describeTable(table))
    }
    const key = ', PRIMARY KEY (item, minute)'

    test('a table that holds every value exactly has no problems', async () => {
      expect(await problemsOf({}, key)).toEqual([])
      expect(await problemsOf({ item: 'varbinary(64) NOT NULL', last: 'varbinary(64)' }, key)).toEqual([])
      expect(await problemsOf({ minute: 'timestamp NOT NULL', last_by: 'decimal(20,6)' }, key)).toEqual([])
    })

    test.each<[string, Record<string, string>, string, RegExp]>([
      [
        'a key whose collation folds',
        { item: 'varchar(64) COLLATE utf8mb4_general_ci NOT NULL' },
        key,
        new RegExp(
          `takes different texts for the same .*: use varchar\\(64\\) COLLATE ${exact} \\(ALTER TABLE .* MODIFY \`item\` ` +
            `varchar\\(64\\) CHARACTER SET utf8mb4 COLLATE ${exact} NOT NULL\\)`,
        ),
      ],
      ['a key that pads', { item: 'varchar(64) COLLATE utf8mb4_bin NOT NULL' }, key, /spaces at the end/],
      [
        'a key of CHAR',
        { item: 'char(64) NOT NULL' },
        key,
        /ignores trailing spaces.*use varchar\(64\) COLLATE/,
      ],
      [
        'a key of three bytes a character',
        { item: 'varchar(64) CHARACTER SET utf8mb3 NOT NULL' },
        key,
        /cannot hold every character: use varchar\(64\) COLLATE/,
      ],
      [
        'an ENUM',
        { item: "enum('a') NOT NULL" },
        key,
        /takes different texts for the same.*use varchar\(255\)/,
      ],
      [
        'a key that may be NULL',
        { item: 'varchar(64)' },
        ', UNIQUE (item, minute)',
        /NULL.*MODIFY \.\.\. NOT NULL/,
      ],
      [
        'a window that is a DATE',
        { minute: 'date NOT NULL' },
        key,
        /cannot hold the start of a window: use datetime\(3\)/,
      ],
      ['a count of FLOAT', { orders: 'float' }, key, /does not hold every integer exactly: use bigint/],
      ['a count of BOOLEAN', { orders: 'boolean' }, key, /use bigint/],
      [
        'a sum with a smaller scale',
        { revenue: 'decimal(14,1)' },
        key,
        /keeps fewer digits.*use decimal\(\.\.\., 2\)/,
      ],
      [
        'a text that is chosen and folds',
        { last: 'varchar(64) COLLATE utf8mb4_general_ci' },
        key,
        /order values/,
      ],
      [
        'a time that decides and rounds',
        { last_by: 'datetime' },
        key,
        /two values for one: use bigint, decimal or datetime/,
      ],
      ['another unique index', {}, `${key}, UNIQUE KEY by_last (last)`, /unique index 'by_last' on \(last\)/],
      [
        'a column that nobody writes',
        {},
        `${key}, more int NOT NULL`,
        /'more' is NOT NULL without a default/,
      ],
    ])('%s is one problem, with its cure', async (_, change, more, reason) => {
      expect(await problemsOf(change, more)).toEqual([expect.stringMatching(reason)])
    })

    test('no unique key, and a table that does not roll back', async () => {
      expect(await problemsOf({}, '')).toEqual([expect.stringMatching(/ADD PRIMARY KEY \(item, minute\)/)])
      expect(await problemsOf({}, key, 'ENGINE = MyISAM')).toEqual([
        expect.stringMatching(/no plain table \(MyISAM table\).*ALTER TABLE .* ENGINE = InnoDB/),
      ])
    })
  })
})
