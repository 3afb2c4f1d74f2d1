import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import { createPostgresDialect } from '../../src/database/postgres/dialect.ts'
import { listMigrations } from '../../src/database/postgres/migrations.ts'
import { postgres } from '../../src/database/postgres/options.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { PostgresFixture } from '../support/postgres-fixture.ts'
import { postgresService } from '../support/postgres-service.ts'

const db = new PostgresFixture()
let connection: Connection

beforeAll(async () => {
  await db.open()
  connection = await db.connect()
})
afterAll(() => db.drop())

describe('migrations', () => {
  const connectTo = (schema: string, connectionString = postgresService().url) =>
    createPostgresDialect(postgres({ connectionString, schema }), systemRuntime).connect({
      job: 'job',
      owner: 'test',
    })

  test('processes that start at once apply each migration once, in a schema of any name', async () => {
    const schema = `Odd "schema" ${randomUUID().slice(0, 8)}`
    const quoted = `"${schema.replaceAll('"', '""')}"`
    const connections = await Promise.all(Array.from({ length: 4 }, () => connectTo(schema)))
    try {
      for (const c of connections) expect(await c.schemaVersion()).toBe(0)
      const names = (await listMigrations()).map((migration) => migration.name)
      const applied = await Promise.all(connections.map((c) => c.migrate()))
      expect(applied.flat().sort()).toEqual(names)
      for (const c of connections) {
        expect(await c.migrate()).toEqual([])
        expect(await c.schemaVersion()).toBe(names.length)
      }
      // One moment, whoever asks: by it members of a group are told from those of the same job on another database.
      const moments = new Set(await Promise.all(connections.map((c) => c.installedAt())))
      expect([...moments]).toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)])
      expect(await connection.installedAt()).not.toBe([...moments][0])
    } finally {
      await db.rows(`DROP SCHEMA ${quoted} CASCADE`)
      for (const c of connections) await c.close()
    }
  })

  test('a schema that is newer than the code is refused', async () => {
    const version = await connection.schemaVersion()
    await db.rows(`INSERT INTO ${db.schema}.oncesink_migrations VALUES ($1, 'from the future')`, [
      version + 1,
    ])
    await expect(connection.migrate()).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining('a newer oncesink has been here'),
    })
    await db.rows(`DELETE FROM ${db.schema}.oncesink_migrations WHERE version = $1`, [version + 1])
    expect(await connection.migrate()).toEqual([])
  })

  test('a role that may only use existing tables needs no right to create any', async () => {
    const role = `oncesink_test_${randomUUID().slice(0, 8)}`
    await db.rows(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`)
    const url = new URL(postgresService().url)
    url.username = role
    url.password = 'x'
    try {
      await db.rows(`GRANT USAGE ON SCHEMA ${db.schema} TO ${role}`)
      await db.rows(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${db.schema} TO ${role}`)
      const limited = await connectTo(db.schema, url.href)
      expect(await limited.migrate()).toEqual([])
      await limited.close()
      const elsewhere = await connectTo(`${db.schema}_new`, url.href)
      await expect(elsewhere.migrate()).rejects.toMatchObject({
        code: 'DATABASE_REFUSED',
        message: expect.stringMatching(/42501.*Grant the privilege/s),
      })
      expect(elsewhere.broken).toBe(false)
      await elsewhere.close()
    } finally {
      await db.rows(`DROP OWNED BY ${role}`)
      await db.rows(`DROP ROLE ${role}`)
    }
  })
})

describe('describing a table', () => {
  test('tells columns, scales and unique keys, the primary key first', async () => {
    await db.rows(`CREATE DOMAIN ${db.schema}.money_amount AS numeric(20,4) NOT NULL`)
    const table = await db.table(
      'described',
      `id bigint GENERATED ALWAYS AS IDENTITY, k text NOT NULL, "At" timestamptz, n numeric(14,2) DEFAULT 0,
       free numeric, neg numeric(3,-2), amount ${db.schema}.money_amount, v varchar(5),
       twice int GENERATED ALWAYS AS (1 + 1) STORED, gone int,
       UNIQUE (k), UNIQUE (n) DEFERRABLE, PRIMARY KEY ("At", k)`,
    )
    await db.rows(`ALTER TABLE ${table} DROP gone`)
    await db.rows(`CREATE UNIQUE INDEX a_partial ON ${table} (v) WHERE v > 'a'`)
    await db.rows(`CREATE UNIQUE INDEX an_expression ON ${table} (lower(v))`)
    await db.rows(`CREATE UNIQUE INDEX with_more ON ${table} (v) INCLUDE (free)`)
    await db.rows(`CREATE INDEX not_unique ON ${table} (free)`)
    const described = await connection.describeTable(table)
    expect(described).toMatchObject({
      qualifiedName: `"${db.schema}"."described"`,
      kind: 'table',
      uniqueKeys: [['At', 'k'], ['k'], ['v']],
      missingPrivileges: [],
      warnings: [],
    })
    const column = (name: string) => described?.columns.find((c) => c.name === name)
    expect(described?.columns.map((c) => c.name)).toEqual([
      'id',
      'k',
      'At',
      'n',
      'free',
      'neg',
      'amount',
      'v',
      'twice',
    ])
    expect(column('id')).toEqual({
      name: 'id',
      type: 'bigint',
      nullable: false,
      hasDefault: true,
      generated: false,
      class: 'integer',
      scale: null,
      rounds: false,
      stepMs: 0.001,
      maxLength: null,
    })
    expect(column('twice')).toMatchObject({ generated: true })
    expect(column('n')).toMatchObject({
      type: 'numeric(14,2)',
      nullable: true,
      hasDefault: true,
      scale: 2,
      rounds: true,
    })
    expect(column('free')).toMatchObject({ scale: null, hasDefault: false })
    expect(column('neg')).toMatchObject({ scale: -2 })
    expect(column('amount')).toMatchObject({ nullable: false, class: 'decimal', scale: 4 })
    expect(column('v')).toMatchObject({
      type: 'character varying(5)',
      nullable: true,
      class: 'text',
      maxLength: 5,
    })
  })

  test('sees through domains, and what takes different texts for equal', async () => {
    const s = db.schema
    await db.rows(
      `CREATE COLLATION ${s}.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    )
    await db.rows(`CREATE DOMAIN ${s}.code AS char(4)`)
    await db.rows(`CREATE DOMAIN ${s}.short_code AS ${s}.code CHECK (value <> '')`)
    await db.rows(`CREATE DOMAIN ${s}.name AS text COLLATE ${s}.any_case`)
    const table = await db.table(
      'folding',
      `code ${s}.short_code, name ${s}.name UNIQUE, folded varchar(9) COLLATE ${s}.any_case, plain text UNIQUE,
       indexed text, price numeric(8,3)`,
    )
    await db.rows(`CREATE UNIQUE INDEX by_indexed ON ${table} (indexed COLLATE ${s}.any_case)`)
    const described = await connection.describeTable(table)
    expect(described?.columns.map(({ class: holds, type }) => `${holds}: ${type}`)).toEqual([
      `padded text: ${s}.short_code`,
      `folded text: ${s}.name COLLATE any_case`,
      'folded text: character varying(9) COLLATE any_case',
      'text: text',
      'text: text',
      'decimal: numeric(8,3)',
    ])
    // An index that folds is no key, whatever its column says.
    expect(described?.uniqueKeys).toEqual([['plain']])
  })

  test('null for what does not exist; a table is found by its search path, its name taken as written', async () => {
    expect(await connection.describeTable('no_such_table')).toBeNull()
    expect(await connection.describeTable('no_such_schema.t')).toBeNull()
    await db.table('"Mixed"', 'x int')
    expect(await connection.describeTable(`${db.schema}.Mixed`)).toMatchObject({ kind: 'table' })
    expect(await connection.describeTable(`${db.schema}.mixed`)).toBeNull()
    expect(await connection.describeTable('pg_class')).toMatchObject({
      qualifiedName: '"pg_catalog"."pg_class"',
    })
  })

  test('what is not an ordinary, logged table is told by its kind', async () => {
    const kind = async (name: string) => (await connection.describeTable(`${db.schema}.${name}`))?.kind
    const s = db.schema
    await db.rows(`CREATE TABLE ${s}.plain (x int)`)
    await db.rows(`CREATE UNLOGGED TABLE ${s}.fast (x int)`)
    await db.rows(`CREATE VIEW ${s}.seen AS SELECT 1 AS x`)
    await db.rows(`CREATE MATERIALIZED VIEW ${s}.kept AS SELECT 1 AS x`)
    await db.rows(`CREATE SEQUENCE ${s}.counter`)
    await db.rows(`CREATE TABLE ${s}.parted (x int) PARTITION BY RANGE (x)`)
    expect(await kind('plain')).toBe('table')
    expect(await kind('fast')).toBe('unlogged table')
    expect(await kind('seen')).toBe('view')
    expect(await kind('kept')).toBe('materialized view')
    expect(await kind('counter')).toBe('not a table')
    expect(await kind('parted')).toBe('table')
  })

  test('looks through partitions, for what breaks the transaction and for what changes rows', async () => {
    const s = db.schema
    await db.rows(`CREATE TABLE ${s}.whole (x int, y int) PARTITION BY RANGE (x)`)
    await db.rows(`CREATE TABLE ${s}.low PARTITION OF ${s}.whole FOR VALUES FROM (0) TO (10)`)
    await db.rows(
      `CREATE TABLE ${s}.high PARTITION OF ${s}.whole FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (x)`,
    )
    await db.rows(`CREATE UNLOGGED TABLE ${s}.deep PARTITION OF ${s}.high FOR VALUES FROM (10) TO (15)`)
    await db.rows(`CREATE FUNCTION ${s}.noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`)
    for (const [trigger, on] of [
      ['everywhere', 'whole'],
      ['only_low', 'low'],
      ['sleeping', 'low'],
    ]) {
      await db.rows(
        `CREATE TRIGGER ${trigger} BEFORE INSERT ON ${s}.${on} FOR EACH ROW EXECUTE FUNCTION ${s}.noop()`,
      )
    }
    await db.rows(`ALTER TABLE ${s}.low DISABLE TRIGGER sleeping`)
    await db.rows(`CREATE RULE quiet AS ON UPDATE TO ${s}.low DO INSTEAD NOTHING`)
    const { warnings } = (await connection.describeTable(`${s}.whole`)) ?? { warnings: [] }
    expect(warnings).toEqual([
      expect.stringMatching(/^partition .*deep is unlogged/),
      expect.stringMatching(/^rule quiet on .*low/),
      expect.stringMatching(/^trigger everywhere on .*whole/),
      expect.stringMatching(/^trigger only_low on .*low/),
    ])
  })

  test('privileges that are missing and row-level security are told to the role concerned', async () => {
    const role = `oncesink_test_${randomUUID().slice(0, 8)}`
    const table = await db.table('guarded', 'x int, y int')
    await db.rows(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`)
    const url = new URL(postgresService().url)
    url.username = role
    url.password = 'x'
    try {
      const limited = await createPostgresDialect(
        postgres({ connectionString: url.href, schema: db.schema }),
        systemRuntime,
      ).connect({ job: 'job', owner: 'test' })
      expect(await limited.describeTable(table)).toBeNull()
      await db.rows(`GRANT USAGE ON SCHEMA ${db.schema} TO ${role}`)
      await db.rows(`GRANT SELECT, INSERT (x) ON ${table} TO ${role}`)
      await db.rows(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`)
      expect(await limited.describeTable(table)).toMatchObject({
        missingPrivileges: ['INSERT', 'UPDATE', 'DELETE'],
        warnings: [expect.stringMatching(/^row-level security on .*guarded is active/)],
      })
      await limited.close()
      expect(await connection.describeTable(table)).toMatchObject({ missingPrivileges: [], warnings: [] })
    } finally {
      await db.rows(`DROP OWNED BY ${role}`)
      await db.rows(`DROP ROLE ${role}`)
    }
  })
})
