import mysql from 'mysql2/promise'
import pg from 'pg'
import type { Engine } from './engine.ts'

/** What is asked of a server from outside, by plain SQL: no code of a job has a part in it. */
interface Family {
  readonly create: (name: string) => string
  readonly drop: (name: string) => string
  readonly session: <T>(url: string, work: (run: RunSql) => Promise<T>) => Promise<T>
}

/** Runs one or more statements; rows of the last one. Large integers come as text. */
export type RunSql = (sql: string) => Promise<Row[]>

export type Row = Readonly<Record<string, unknown>>

const families: Readonly<Record<'postgres' | 'mysql', Family>> = {
  postgres: {
    create: (name) => `CREATE DATABASE "${name}"`,
    drop: (name) => `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`,
    session: withPostgres,
  },
  mysql: {
    create: (name) => `CREATE DATABASE \`${name}\``,
    drop: (name) => `DROP DATABASE IF EXISTS \`${name}\``,
    session: withMysql,
  },
}

function of(engine: Engine): Family {
  return families[engine === 'postgres' ? 'postgres' : 'mysql']
}

/**
 * Creates the empty database `name`.
 * @param serverUrl of any database of the server
 * @returns the new one's URL
 */
export async function createDatabase(engine: Engine, serverUrl: string, name: string): Promise<string> {
  const { create } = of(engine)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  await runStatements(engine, serverUrl, create(name))
  return url.href
}

export async function dropDatabase(engine: Engine, serverUrl: string, name: string): Promise<void> {
  await runStatements(engine, serverUrl, of(engine).drop(name))
}

/** Runs one or more statements on a connection of its own; rows of the last one. Large integers come as text. */
export async function runStatements(engine: Engine, url: string, sql: string): Promise<Row[]> {
  return inSession(engine, url, (run) => run(sql))
}

/** Gives `work` a connection of its own, which is closed when that has ended. */
export async function inSession<T>(
  engine: Engine,
  url: string,
  work: (run: RunSql) => Promise<T>,
): Promise<T> {
  return of(engine).session(url, work)
}

async function withPostgres<T>(url: string, work: (run: RunSql) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  // A connection that is lost between two statements is told by the next one.
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(async (sql) => {
      const results: unknown = await client.query<pg.QueryResultRow>(sql)
      const last = Array.isArray(results) ? (results.at(-1) as pg.QueryResult) : (results as pg.QueryResult)
      return last.rows as Row[]
    })
  } finally {
    await client.end().catch(() => {})
  }
}

async function withMysql<T>(url: string, work: (run: RunSql) => Promise<T>): Promise<T> {
  const client = await mysql.createConnection({
    uri: url,
    multipleStatements: true,
    connectTimeout: 10_000,
    supportBigNumbers: true,
    bigNumberStrings: true,
  })
  client.on('error', () => {})
  try {
    return await work(async (sql) => {
      const [rows] = await client.query(sql)
      const results = rows as unknown[]
      return (Array.isArray(results[0]) || isHeader(results[0]) ? lastRows(results) : results) as Row[]
    })
  } finally {
    await client.end().catch(() => client.destroy())
  }
}

/** What several statements gave: rows of the last one that has rows. */
function lastRows(results: readonly unknown[]): unknown[] {
  return (results.findLast((result) => Array.isArray(result)) as unknown[] | undefined) ?? []
}

function isHeader(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'affectedRows' in value
}
