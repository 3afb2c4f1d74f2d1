import mysql from 'mysql2/promise'
import pg from 'pg'
import { type Engine, startDatabase } from '../src/services/index.ts'

/** The type of a key column of texts, in which different texts are different keys. */
export const keyText: Readonly<Record<Engine, string>> = {
  postgres: 'text',
  mysql: 'varchar(191) COLLATE utf8mb4_0900_bin',
  mariadb: 'varchar(191) COLLATE utf8mb4_nopad_bin',
}

/** An empty database that is there for one benchmark. */
export interface BenchDatabase {
  readonly engine: Engine
  readonly url: string
  /** Runs statements separated by semicolons. */
  run(sql: string): Promise<void>
  /** The rows of one SELECT. */
  rows<Row>(sql: string): Promise<Row[]>
  /** Drops it. */
  close(): Promise<void>
}

export async function openDatabase(engine: Engine): Promise<BenchDatabase> {
  const server = await startDatabase(engine)
  const name = `bench_${process.pid}_${Date.now()}`
  const url = new URL(server.url)
  url.pathname = `/${name}`
  const connect = engine === 'postgres' ? connectPostgres : connectMysql
  const outer = await connect(server.url)
  // What a server has by default is not always Unicode.
  await outer.run(`CREATE DATABASE ${name}${engine === 'postgres' ? '' : ' CHARACTER SET utf8mb4'}`)
  const inner = await connect(url.href)
  return {
    engine,
    url: url.href,
    run: inner.run,
    rows: inner.rows,
    async close() {
      await inner.end()
      await outer.run(`DROP DATABASE ${name}${engine === 'postgres' ? ' WITH (FORCE)' : ''}`)
      await outer.end()
      await server.stop()
    },
  }
}

async function connectPostgres(url: string) {
  const client = new pg.Client(url)
  await client.connect()
  return {
    run: async (sql: string) => {
      await client.query(sql)
    },
    rows: async <Row>(sql: string) => (await client.query(sql)).rows as Row[],
    end: () => client.end(),
  }
}

async function connectMysql(url: string) {
  const connection = await mysql.createConnection({
    uri: url,
    multipleStatements: true,
    supportBigNumbers: true,
  })
  return {
    run: async (sql: string) => {
      await connection.query(sql)
    },
    rows: async <Row>(sql: string) => (await connection.query(sql))[0] as Row[],
    end: () => connection.end(),
  }
}
