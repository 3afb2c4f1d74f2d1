import knexFactory, { type Knex } from 'knex'
import { afterAll, describe, inject } from 'vitest'
import { mysql } from '../../src/database/mysql/options.ts'
import { postgres } from '../../src/database/postgres/options.ts'
import type { DatabasePlan } from '../../src/job/job.ts'
import {
  type DatabaseOptions,
  databaseNames,
  type Engine,
  engines,
  type NativeDatabase,
  startNativeDatabase,
} from '../../src/services/index.ts'
import { uniqueName } from './unique.ts'

/** What differs between the databases that one test runs on. */
export interface TestEngine {
  readonly name: Engine
  /** `PostgreSQL`, `MySQL`, `MariaDB`. */
  readonly title: string
  /** The server of this run, as a user with all privileges. */
  readonly url: string
  /** The option `database` of a job. */
  database(url: string, options?: EngineOptions): DatabasePlan
  /** Name of one of oncesink's own tables in statements of a test. */
  own(table: string): string
  /** Types of columns, where their names differ. */
  readonly types: EngineTypes
  /** Statements that end every other session of oncesink on this database. */
  endSessions(database: TestDatabase): Promise<void>
  /** A lock that lets others read `table` and not write, held until the returned function is called. */
  blockWrites(database: TestDatabase, table: string): Promise<() => Promise<void>>
}

/** Options that all databases have. */
export interface EngineOptions {
  readonly statementTimeoutMs?: number
  readonly lockTimeoutMs?: number
  readonly idleInTransactionTimeoutMs?: number
  readonly connectTimeoutMs?: number
}

export interface EngineTypes {
  /** Text that may be part of a key: every two texts differ. */
  readonly text: string
  readonly longText: string
  readonly instant: string
  readonly json: string
  readonly bytes: string
  /** An integer that the server counts up, in a table of its own key. */
  readonly counter: string
}

export interface TestDatabase {
  readonly engine: TestEngine
  readonly url: string
  readonly name: string
  /**
   * A pool for what a test does from outside. On MySQL and MariaDB its sessions understand the standard's quotes, so
   * that "partition" is a name everywhere; BIGINT comes as text, as from PostgreSQL.
   */
  readonly knex: Knex
  /** Runs statements separated by semicolons. */
  run(sql: string): Promise<void>
  /** Rows of one SELECT with named bindings (`:name`). */
  rows<Row>(sql: string, bindings?: Readonly<Record<string, string | number>>): Promise<Row[]>
}

export const postgresEngine: TestEngine = {
  name: 'postgres',
  title: databaseNames.postgres.title,
  get url() {
    return serviceUrl('postgres')
  },
  database: (connectionString, options = {}) => postgres({ connectionString, ...options }),
  own: (table) => `oncesink.${table}`,
  types: {
    text: 'text',
    longText: 'text',
    instant: 'timestamptz',
    json: 'jsonb',
    bytes: 'bytea',
    counter: 'int GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
  },
  endSessions: async ({ knex }) => {
    await knex.raw(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'oncesink:%'`,
    )
  },
  blockWrites: async ({ knex }, table) => {
    const lock = await knex.transaction()
    await lock.raw('LOCK TABLE ?? IN SHARE MODE', [table])
    return async () => {
      await lock.rollback()
    }
  },
}

/** @param collation the one of utf8mb4 in which every two texts differ */
function mysqlEngine(name: 'mysql' | 'mariadb', collation: string): TestEngine {
  return {
    name,
    title: databaseNames[name].title,
    get url() {
      return serviceUrl(name)
    },
    database: (connectionString, options = {}) => mysql({ connectionString, ...options }),
    // Its tables are in the database that is connected to.
    own: (table) => table,
    types: {
      text: `varchar(191) CHARACTER SET utf8mb4 COLLATE ${collation}`,
      longText: `mediumtext CHARACTER SET utf8mb4 COLLATE ${collation}`,
      instant: 'datetime(6)',
      json: 'json',
      bytes: 'longblob',
      counter: 'int AUTO_INCREMENT PRIMARY KEY',
    },
    endSessions: async (database) => {
      const sessions = await database.rows<{ id: string }>(
        'SELECT id AS "id" FROM information_schema.processlist WHERE db = :name AND id <> CONNECTION_ID()',
        { name: database.name },
      )
      for (const { id } of sessions) {
        // One that ends by itself meanwhile is what was asked for.
        await database.knex.raw(`KILL ${id}`).catch(() => {})
      }
    },
    blockWrites: async ({ knex }, table) => {
      // All rows, and the gap behind the last of them.
      const lock = await knex.transaction()
      await lock.raw('SELECT * FROM ?? LOCK IN SHARE MODE', [table])
      return async () => {
        await lock.rollback()
      }
    },
  }
}

const all: Readonly<Record<Engine, TestEngine>> = {
  postgres: postgresEngine,
  mysql: mysqlEngine('mysql', 'utf8mb4_0900_bin'),
  mariadb: mysqlEngine('mariadb', 'utf8mb4_nopad_bin'),
}

/** The databases of this run: see chosen-engines.ts. */
export const testEngines: readonly TestEngine[] = engines
  .filter((name) => inject('databaseUrls')[name] !== undefined)
  .map((name) => all[name])

/** The same tests on each database of this run. */
export function onEveryEngine(tests: (engine: TestEngine) => void): void {
  describe.each(testEngines.map((engine) => [engine.title, engine] as const))('on %s:', (_, engine) =>
    tests(engine),
  )
}

function serviceUrl(engine: Engine): string {
  const url = inject('databaseUrls')[engine]
  if (url === undefined) throw new Error(`this run has no ${databaseNames[engine].title} (ONCESINK_ENGINES)`)
  return url
}

/** A server that belongs to the test alone, for tests that kill it; it ends after the test file. */
export async function ownServer(engine: TestEngine, options: DatabaseOptions = {}): Promise<NativeDatabase> {
  const server = await startNativeDatabase(engine.name, options)
  cleanUpAfterFile(() => server.stop())
  return server
}

/** Creates an empty database with a unique name that begins with `stem`; dropped after the test file. */
export async function createDatabaseOn(
  engine: TestEngine,
  stem = 'test',
  serverUrl = engine.url,
): Promise<TestDatabase> {
  const name = uniqueName(stem)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const server = connect(engine.name, serverUrl)
  await server.raw('CREATE DATABASE ??', [name])
  const knex = connect(engine.name, url.href)
  cleanUpAfterFile(async () => {
    await knex.destroy()
    // A server of a test's own may be down by now, and takes its databases along.
    if (serverUrl === engine.url) {
      await server.raw(`DROP DATABASE ??${engine.name === 'postgres' ? ' WITH (FORCE)' : ''}`, [name])
    }
    await server.destroy()
  })
  return {
    engine,
    url: url.href,
    name,
    knex,
    run: async (sql) => {
      await knex.raw(sql)
    },
    rows: async <Row>(sql: string, bindings: Readonly<Record<string, string | number>> = {}) => {
      const result: unknown = await knex.raw(sql, bindings)
      return (Array.isArray(result) ? result[0] : (result as { rows: unknown }).rows) as Row[]
    },
  }
}

const cleanUp: (() => Promise<unknown>)[] = []

/** Runs `step` after the test file, before the steps that were named earlier. */
export function cleanUpAfterFile(step: () => Promise<unknown>): void {
  cleanUp.push(step)
}

/** What a query fails with is in its rejection; of a server that a test kills knex would print every lost connection. */
const silent = { error: () => {}, warn: () => {} }

function connect(engine: Engine, url: string): Knex {
  const pool = { min: 0, max: 4 }
  if (engine === 'postgres') {
    return knexFactory({ client: 'pg', connection: { connectionString: url }, pool, log: silent })
  }
  return knexFactory({
    client: 'mysql2',
    connection: {
      ...mysqlConnection(url),
      multipleStatements: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
      timezone: 'Z',
    },
    pool: {
      ...pool,
      afterCreate: (
        connection: { query: (sql: string, done: (error: Error | null) => void) => void },
        done: (error: Error | null, connection: unknown) => void,
      ) =>
        connection.query("SET SESSION sql_mode = 'ANSI,STRICT_ALL_TABLES', time_zone = '+00:00'", (error) =>
          done(error, connection),
        ),
    },
    log: silent,
  })
}

function mysqlConnection(text: string) {
  const url = new URL(text)
  return {
    host: url.hostname,
    port: Number(url.port || 3306),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
  }
}

afterAll(async () => {
  // Databases before the servers that they are on.
  for (const step of cleanUp.splice(0).reverse()) await step()
})
