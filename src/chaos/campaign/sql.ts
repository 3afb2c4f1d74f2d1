import mysql from 'mysql2/promise'
import pg from 'pg'
import type { Engine } from '../../services/index.ts'

export type SqlRow = Readonly<Record<string, unknown>>

/** A plain connection, as a program without oncesink has it. */
export interface SqlConnection {
  /** One or more statements; the rows are those of the last one. */
  query(sql: string): Promise<readonly SqlRow[]>
  close(): Promise<void>
}

export async function connectSql(engine: Engine, url: string): Promise<SqlConnection> {
  return engine === 'postgres' ? connectPostgres(url) : connectMysql(url)
}

async function connectPostgres(url: string): Promise<SqlConnection> {
  const client = new pg.Client({ connectionString: url })
  // A server that is killed meanwhile: the next query says so.
  client.on('error', () => {})
  await client.connect()
  return {
    query: async (sql) => {
      const results: unknown = await client.query(sql)
      const last: unknown = Array.isArray(results) ? results.at(-1) : results
      return (last as { rows: SqlRow[] }).rows
    },
    close: () => client.end(),
  }
}

async function connectMysql(url: string): Promise<SqlConnection> {
  const client = await mysql.createConnection({ uri: url, multipleStatements: true })
  client.on('error', () => {})
  return {
    query: async (sql) => {
      const [rows] = await client.query(sql)
      return rows as SqlRow[]
    },
    close: async () => client.destroy(),
  }
}

/** Runs statements on a connection of their own. */
export async function query(engine: Engine, url: string, sql: string): Promise<readonly SqlRow[]> {
  const connection = await connectSql(engine, url)
  try {
    return await connection.query(sql)
  } finally {
    await connection.close()
  }
}

/** Creates an empty database on the server of `serverUrl`. @returns its URL */
export async function createDatabase(engine: Engine, serverUrl: string, name: string): Promise<string> {
  await query(engine, serverUrl, `CREATE DATABASE ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

export async function dropDatabase(engine: Engine, serverUrl: string, name: string): Promise<void> {
  await query(engine, serverUrl, `DROP DATABASE ${name}${engine === 'postgres' ? ' WITH (FORCE)' : ''}`)
}
