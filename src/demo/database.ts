import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import {
  createDatabase as createEmptyDatabase,
  dropDatabase,
  type Engine,
  runStatements,
} from '../services/index.ts'
import type { TableRow } from './totals.ts'

/** A database as the demo uses it, with plain SQL of its own: no code of the job has a part in it. */
interface DemoDatabase {
  /** Every row of the example's table, as {@link TableRow}. */
  readonly totals: string
  /** What a person types to run `sql` at `url`. */
  readonly shell: (url: string, sql: string) => string
}

const databases: Readonly<Record<'postgres' | 'mysql', DemoDatabase>> = {
  postgres: {
    totals: `
      SELECT item, to_char(minute AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS minute,
        orders::text AS orders, trim_scale(revenue * 100)::text AS cents
      FROM orders_by_item`,
    shell: (url, sql) => `psql '${url}' -c '${sql}'`,
  },
  mysql: {
    // The format's microseconds end in three digits that must be zeros, or the row is not the expected one.
    totals: `
      SELECT item,
        REGEXP_REPLACE(DATE_FORMAT(minute, '%Y-%m-%dT%H:%i:%s.%fZ'), '000Z$', 'Z') AS minute,
        CAST(orders AS CHAR) AS orders, REGEXP_REPLACE(CAST(revenue * 100 AS CHAR), '[.]0*$', '') AS cents
      FROM orders_by_item`,
    shell: (url, sql) => {
      const { hostname, port, username, password, pathname } = new URL(url)
      const secret = password === '' ? '' : ` -p'${decodeURIComponent(password)}'`
      return `mysql -h ${hostname} -P ${port || 3306} -u ${username}${secret} -D ${pathname.slice(1)} -e '${sql}'`
    },
  },
}

function of(engine: Engine): DemoDatabase {
  return databases[engine === 'postgres' ? 'postgres' : 'mysql']
}

/**
 * Creates the database `name` with the example's table.
 * @param serverUrl of any database of the server
 * @returns the new one's URL
 */
export async function createDatabase(engine: Engine, serverUrl: string, name: string): Promise<string> {
  const url = await createEmptyDatabase(engine, serverUrl, name)
  try {
    await runStatements(engine, url, await readFile(tableFile(engine), 'utf8'))
  } catch (error) {
    await dropDatabase(engine, serverUrl, name)
    throw error
  }
  return url
}

/** Every row of the example's table. */
export async function readTotals(engine: Engine, url: string): Promise<TableRow[]> {
  return (await runStatements(engine, url, of(engine).totals)) as unknown as TableRow[]
}

/** The command line that shows the largest rows. */
export function lookCommand(engine: Engine, url: string): string {
  return of(engine).shell(url, 'SELECT * FROM orders_by_item ORDER BY orders DESC LIMIT 10')
}

function tableFile(engine: Engine): string {
  return fileURLToPath(new URL(`../../examples/orders/tables.${engine}.sql`, import.meta.url))
}
