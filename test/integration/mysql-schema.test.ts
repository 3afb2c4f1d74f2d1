import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import { openSession } from '../../src/database/mysql/connect.ts'
import { listMigrations, migrate } from '../../src/database/mysql/migrations.ts'
import { mysql } from '../../src/database/mysql/options.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { MysqlFixture, mysqlFlavours } from '../support/mysql-fixture.ts'

const name = { job: 'job', owner: 'test' }

describe.each(mysqlFlavours)('%s', (flavour) => {
  const db = new MysqlFixture(flavour)
  let connection: Connection

  beforeAll(async () => {
    await db.open()
    connection = await db.connect()
  })
  afterAll(() => db.drop())

  const connectTo = (schema: string, connectionString = db.url) =>
    db.connect('job', systemRuntime, 'test', mysql({ connectionString, schema }))

  test('processes that start at once apply each migration once, in a database of any name', async () => {
    const schema = `Odd \`database\` "${randomUUID().slice(0, 8)}"`
    const connections = await Promise.all(Array.from({ length: 4 }, () => connectTo(schema)))
    try {
      const names = (await listMigrations()).map((migration) => migration.name)
      for (const c of connections) {
        expect(await c.schemaVersion()).toBe(0)
        expect(await c.pendingMigrations()).toEqual(names)
      }
      const applied = await Promise.all(connections.map((c) => c.migrate()))
      expect(applied.flat()).toEqual(names)
      for (const c of connections) {
        expect(await c.migrate()).toEqual([])
        expect(await c.schemaVersion()).toBe(names.length)
      }
      // One moment, whoever asks: by it members of a group are told from those of the same job on another database.
      const moments = new Set(await Promise.all(connections.map((c) => c.installedAt())))
      expect([...moments]).toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)])
      expect(await connection.installedAt()).not.toBe([...moments][0])
    } finally {
      await db.rows(`DROP DATABASE \`${schema.replaceAll('`', '``')}\``)
    }
  })

  test('a migration that broke off half-way is run again from its top by the next process', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oncesink-'))
    const { session } = await openSession(db.plan, name, systemRuntime)
    try {
      const version = await connection.schemaVersion()
      const sql = [
        'CREATE TABLE :schema.half (a int PRIMARY KEY) COLLATE :collation;',
        'ALTER TABLE :schema.half ADD COLUMN b int, ADD CONSTRAINT half_b CHECK (b > 0);',
        'CREATE INDEX half_index ON :schema.half (b);',
      ]
      const file = pathToFileURL(join(folder, 'half.sql'))
      const migrations = [...(await listMigrations()), { version: version + 1, name: 'half', file }]
      await writeFile(file, [...sql, 'CREATE TABLE :schema.half (this is no SQL);'].join('\n'))
      await expect(migrate(session, db.plan, migrations)).rejects.toMatchObject({ code: 'DATABASE_REFUSED' })
      expect(await connection.schemaVersion()).toBe(version)
      await writeFile(file, [...sql, 'CREATE TABLE :schema.other_half (a int);'].join('\n'))
      expect(await migrate(session, db.plan, migrations)).toEqual(['half'])
      expect(await db.rows("SHOW TABLES LIKE '%half'")).toHaveLength(2)
      await db.rows('DROP TABLE half, other_half')
      await db.rows('DELETE FROM oncesink_migrations WHERE version = ?', [version + 1])
    } finally {
      await session.end()
      await rm(folder, { recursive: true })
    }
  })

  test('while another process migrates, this one waits for so long and no longer', async () => {
    const schema = `${db.schema}_busy`
    const plan = mysql({ connectionString: db.url, schema, lockTimeoutMs: 1_000 })
    const waiting = await db.connect('job', systemRuntime, 'test', plan)
    const holder = await createConnection({ uri: db.url })
    const lock = `oncesink migrations ${createHash('sha256').update(schema).digest('hex').slice(0, 32)}`
    await holder.query('SELECT get_lock(?, 0)', [lock])
    await expect(waiting.migrate()).rejects.toMatchObject({
      code: 'TRANSACTION_ABORTED',
      message: expect.stringContaining('another process'),
    })
    await holder.end()
    expect(waiting.broken).toBe(false)
  })

  test('tables that are newer than the code are refused', async () => {
    const version = await connection.schemaVersion()
    await db.rows("INSERT INTO oncesink_migrations (version, name) VALUES (?, 'from the future')", [
      version + 1,
    ])
    await expect(connection.migrate()).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining('a newer oncesink has been here'),
    })
    await db.rows('DELETE FROM oncesink_migrations WHERE version = ?', [version + 1])
    expect(await connection.migrate()).toEqual([])
  })

  test('the tables keep names apart byte by byte, in InnoDB, whatever the database’s defaults are', async () => {
    const tables = await db.rows(
      `SELECT engine AS engine, table_collation AS collation FROM information_schema.tables
       WHERE table_schema = ? AND table_name LIKE 'oncesink%'`,
      [db.schema],
    )
    expect(tables.length).toBeGreaterThanOrEqual(5)
    for (const { engine, collation } of tables) {
      expect(engine).toBe('InnoDB')
      expect(collation).toBe(flavour === 'mysql' ? 'utf8mb4_0900_bin' : 'utf8mb4_nopad_bin')
    }
  })

  test('a user who may only use existing tables needs no right to make any, and is told what it lacks', async () => {
    const user = `user_${randomUUID().slice(0, 8)}`
    await db.user(user, 'x', [`SELECT ON ${db.schema}.*`])
    const url = db.urlAs({ user, password: 'x' })
    const reader = await connectTo(db.schema, url)
    const grants = await reader.missingGrants('use')
    expect(grants).toContainEqual(
      expect.stringMatching(
        /^GRANT INSERT, UPDATE, DELETE ON `oncesink_test_\w+`\.`oncesink_offsets` TO `user_\w+`@`(localhost|%)`$/,
      ),
    )
    expect(grants).toContainEqual(expect.stringMatching(/^GRANT UPDATE ON .*`oncesink_migrations` TO/))
    expect(await reader.missingGrants('create')).toEqual([
      expect.stringMatching(
        /^GRANT CREATE, ALTER, INDEX, REFERENCES, INSERT, UPDATE, DELETE ON `oncesink_test_\w+`\.\*/,
      ),
    ])
    for (const grant of grants) await db.rows(grant)
    await reader.close()
    const limited = await connectTo(db.schema, url)
    expect(await limited.missingGrants('use')).toEqual([])
    expect(await limited.migrate()).toEqual([])
    const trx = await limited.begin('claim')
    expect(await trx.lockJob('nobody')).toBeNull()
    await trx.rollback()
    await limited.close()
    const elsewhere = await connectTo(`${db.schema}_new`, url)
    await expect(elsewhere.migrate()).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringMatching(/error 1044.*oncesink migrate/s),
    })
    expect(elsewhere.broken).toBe(false)
  })

  test('the script makes the same tables, and changes nothing when it is applied again', async () => {
    const schema = `${db.schema}_script`
    const plan = mysql({ connectionString: db.url, schema })
    const script = await db.dialect(plan).migrationScript()
    const client = await createConnection({ uri: db.url, multipleStatements: true })
    try {
      // What the command line client makes of DELIMITER.
      const [head = '', rest = ''] = script.split('DELIMITER $$\n')
      const [body = '', tail = ''] = rest.split('$$\nDELIMITER ;\n')
      for (const part of [head, body, tail, head, body, tail]) await client.query(part)
      const scripted = await db.connect('job', systemRuntime, 'test', plan)
      expect(await scripted.pendingMigrations()).toEqual([])
      const definitions = async (database: string) => {
        const rows = await db.rows(
          `SELECT table_name AS t, column_name AS c, column_type AS type, collation_name AS collation, is_nullable AS n,
             column_key AS k FROM information_schema.columns WHERE table_schema = ? AND table_name LIKE 'oncesink%'
           ORDER BY table_name, ordinal_position`,
          [database],
        )
        return rows.map((row) => ({ ...row }))
      }
      expect(await definitions(schema)).toEqual(await definitions(db.schema))
    } finally {
      await client.end()
      await db.rows(`DROP DATABASE IF EXISTS ${schema}`)
    }
  })
})
