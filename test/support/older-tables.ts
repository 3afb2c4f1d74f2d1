import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestDatabase } from './engines.ts'

/** Makes oncesink's tables as the version had them that knew only the first `version` migrations. */
export async function makeOlderTables(database: TestDatabase, version: number): Promise<void> {
  const isPostgres = database.engine.name === 'postgres'
  const folder = join(import.meta.dirname, '..', '..', 'sql', isPostgres ? 'postgres' : 'mysql')
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  const schema = isPostgres ? 'oncesink' : database.name
  const collation = database.engine.name === 'mariadb' ? 'utf8mb4_nopad_bin' : 'utf8mb4_0900_bin'
  if (isPostgres) await database.run('CREATE SCHEMA oncesink')
  const migrations = database.engine.own('oncesink_migrations')
  const appliedAt = isPostgres
    ? 'timestamptz NOT NULL DEFAULT clock_timestamp()'
    : 'datetime(6) NOT NULL DEFAULT (utc_timestamp(6))'
  await database.run(
    `CREATE TABLE ${migrations} (version int PRIMARY KEY, name varchar(200) NOT NULL, applied_at ${appliedAt})`,
  )
  for (const [i, file] of files.slice(0, version).entries()) {
    const sql = await readFile(join(folder, file), 'utf8')
    await database.run(sql.replaceAll(':schema', `"${schema}"`).replaceAll(':collation', collation))
    await database.run(
      `INSERT INTO ${migrations} (version, name) VALUES (${i + 1}, '${file.replace(/\.sql$/, '')}')`,
    )
  }
}
