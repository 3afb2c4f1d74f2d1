import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { invariant, OncesinkError } from '../../errors.ts'
import { type Migration, migrationFiles } from '../migration-files.ts'
import { asServerError } from './errors.ts'
import { quoteIdentifier } from './identifiers.ts'
import type { MysqlPlan } from './options.ts'
import { ownTable } from './own-tables.ts'
import type { Session } from './session.ts'

/** Beside src/ in the repository, and beside dist/ in the package: three levels up in both. */
const directory = new URL('../../../sql/mysql/', import.meta.url)

/**
 * What the server answers where a table, column, index or constraint of that name is there already, or what is to be
 * dropped is gone: under the lock, and as long as the migration is not recorded, that was done by a process that died
 * before it could record it.
 */
const ALREADY_DONE: ReadonlySet<number> = new Set([1_050, 1_060, 1_061, 1_091, 1_826, 3_822])

/** The numbered files, ascending and without gaps. */
export function listMigrations(from: URL = directory): Promise<Migration[]> {
  return migrationFiles(from)
}

/**
 * Applies what is missing, under a lock: processes that start at once apply each migration one after another, and the
 * later ones find it done. DDL commits by itself here, so a migration that breaks off is run again from its top (see
 * {@link ALREADY_DONE}). Returns the names applied.
 */
export async function migrate(
  session: Session,
  plan: MysqlPlan,
  migrations?: readonly Migration[],
): Promise<string[]> {
  const files = migrations ?? (await listMigrations())
  if ((await missing(session, files)).length === 0) return []
  await lock(session, plan)
  const applied: string[] = []
  try {
    const todo = await missing(session, files)
    if (todo.length > 0) await createHome(session)
    for (const migration of todo) {
      await apply(session, migration)
      applied.push(migration.name)
    }
    return applied
  } catch (error) {
    throw isPrivilegeMissing(error) ? withMigrateCure(error) : error
  } finally {
    await unlock(session)
  }
}

/** Names of what {@link migrate} would apply. */
export async function pendingMigrations(session: Session): Promise<string[]> {
  return (await missing(session, await listMigrations())).map(({ name }) => name)
}

async function missing(session: Session, migrations: readonly Migration[]): Promise<readonly Migration[]> {
  const version = await schemaVersion(session)
  refuseNewer(version, migrations.length, session)
  return migrations.slice(version)
}

/** 0 when oncesink's tables do not exist, or are not visible to this user. */
export async function schemaVersion(session: Session): Promise<number> {
  const purpose = { scope: 'own', doing: "read the version of oncesink's tables" } as const
  const { rows } = await session.query(
    `SELECT 1 AS found FROM information_schema.tables WHERE table_schema = ? AND table_name = 'oncesink_migrations'`,
    [session.schema],
    purpose,
  )
  if (rows.length === 0) return 0
  const newest = await session.query<{ version: string }>(
    `SELECT coalesce(max(version), 0) AS version FROM ${ownTable(session, 'migrations')}`,
    [],
    purpose,
  )
  return Number(newest.rows[0]?.version ?? 0)
}

/** When the first migration was applied. */
export async function installedAt(session: Session): Promise<string> {
  const purpose = { scope: 'own', doing: "read the age of oncesink's tables" } as const
  const { rows } = await session.query<{ installed: string }>(
    `SELECT date_format(applied_at, '%Y-%m-%dT%H:%i:%s.%f') AS installed FROM ${ownTable(session, 'migrations')} WHERE version = 1`,
    [],
    purpose,
  )
  const [first] = rows
  invariant(first !== undefined, 'oncesink has tables without its first migration')
  return first.installed
}

async function apply(session: Session, { version, name, file }: Migration): Promise<void> {
  for (const statement of statementsOf(await sqlOf(file, session.schema, session.exactCollation))) {
    await applyStatement(session, statement, name)
  }
  await session.query(
    `INSERT INTO ${ownTable(session, 'migrations')} (version, name) VALUES (?, ?)`,
    [version, name],
    { scope: 'own', doing: `record ${name}` },
  )
}

async function applyStatement(session: Session, statement: string, migration: string): Promise<void> {
  try {
    await session.query(statement, [], { scope: 'own', doing: `apply ${migration}` })
  } catch (error) {
    if (error instanceof OncesinkError && ALREADY_DONE.has(asServerError(error.cause)?.errno ?? 0)) return
    throw error
  }
}

/** The statements of a file: each ends with a semicolon at the end of a line. Comments go. */
export function statementsOf(sql: string): string[] {
  return sql
    .replaceAll(/(^|\s)-- .*$/gm, '')
    .split(/;[^\S\n]*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

async function sqlOf(file: URL, schema: string, collation: string): Promise<string> {
  const sql = await readFile(file, 'utf8')
  return sql.replaceAll(':schema', () => quoteIdentifier(schema)).replaceAll(':collation', collation)
}

/** CREATE DATABASE wants its privilege even where IF NOT EXISTS has nothing to do. */
async function createHome(session: Session): Promise<void> {
  const schema = quoteIdentifier(session.schema)
  const purpose = { scope: 'own', doing: `create database ${schema} for oncesink's tables` } as const
  const { rows } = await session.query(
    'SELECT 1 AS found FROM information_schema.schemata WHERE schema_name = ?',
    [session.schema],
    purpose,
  )
  if (rows.length === 0) await session.query(createDatabase(session.schema), [], purpose)
  await session.query(createMigrations(session.schema, session.exactCollation), [], purpose)
}

function createDatabase(schema: string): string {
  return `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(schema)} CHARACTER SET utf8mb4`
}

function createMigrations(schema: string, collation: string): string {
  return `CREATE TABLE IF NOT EXISTS ${ownTable({ schema }, 'migrations')} (
  version    int NOT NULL PRIMARY KEY,
  name       varchar(200) NOT NULL,
  applied_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6))
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE ${collation}`
}

/** Which server will read the script is not known: each of the two executes one of these comments, and skips the other. */
export const COLLATION_OF_EITHER = '/*!80000 utf8mb4_0900_bin *//*M! utf8mb4_nopad_bin */'

/**
 * All migrations as one script for the command line client. In a procedure, because only there a script can ask
 * whether a migration was applied.
 */
export async function migrationScript(schema: string): Promise<string> {
  const procedure = `${quoteIdentifier(schema)}.oncesink_apply_migrations`
  const body: string[] = []
  for (const migration of await listMigrations()) body.push(await guardedMigration(migration, schema))
  invariant(!body.join('').includes('$$'), 'a migration contains the delimiter of its script')
  return `${[
    "-- oncesink's own tables, for MySQL 8.0.19, MariaDB 10.6, and newer. May be applied again: what is there already stays",
    '-- as it is. Apply it with: mysql --comments --host ... --user ... --password DATABASE < this.sql',
    `${createDatabase(schema)};`,
    `${createMigrations(schema, COLLATION_OF_EITHER)};`,
    `DROP PROCEDURE IF EXISTS ${procedure};`,
    'DELIMITER $$',
    `CREATE PROCEDURE ${procedure}()`,
    'BEGIN',
    `DECLARE CONTINUE HANDLER FOR ${[...ALREADY_DONE].join(', ')} BEGIN END;`,
    ...body,
    'END$$',
    'DELIMITER ;',
    `CALL ${procedure}();`,
    `DROP PROCEDURE ${procedure};`,
  ].join('\n')}\n`
}

async function guardedMigration({ version, name, file }: Migration, schema: string): Promise<string> {
  const table = ownTable({ schema }, 'migrations')
  const statements = statementsOf(await sqlOf(file, schema, COLLATION_OF_EITHER))
  return [
    `IF NOT EXISTS (SELECT 1 FROM ${table} WHERE version = ${version}) THEN`,
    ...statements.map((statement) => `${statement};`),
    `INSERT INTO ${table} (version, name) VALUES (${version}, '${name}');`,
    'END IF;',
  ].join('\n')
}

async function lock(session: Session, plan: MysqlPlan): Promise<void> {
  const { rows } = await session.query<{ locked: string | null }>(
    'SELECT get_lock(?, ?) AS locked',
    [lockName(session.lockScope), plan.lockTimeoutSeconds],
    { scope: 'own', doing: "wait for another process that migrates oncesink's tables" },
  )
  if (rows[0]?.locked === '1') return
  throw new OncesinkError(
    'TRANSACTION_ABORTED',
    `could not migrate oncesink's tables at ${session.target}: another process has been doing it for ${plan.lockTimeoutSeconds} s`,
  )
}

async function unlock(session: Session): Promise<void> {
  try {
    if (session.broken) return
    await session.query('DO release_lock(?)', [lockName(session.lockScope)], {
      scope: 'own',
      doing: 'free the lock of migrations',
    })
  } catch {
    // The server frees it when the session ends.
    session.destroy()
  }
}

/** Locks of this kind are the whole server's, and their names have 64 characters at most. */
function lockName(scope: string): string {
  return `oncesink migrations ${createHash('sha256').update(scope).digest('hex').slice(0, 32)}`
}

function refuseNewer(version: number, newest: number, session: Session): void {
  if (version <= newest) return
  throw new OncesinkError(
    'DATABASE_REFUSED',
    `the tables in database '${session.schema}' at ${session.target} have version ${version}, but this oncesink knows ` +
      `versions up to ${newest}: a newer oncesink has been here. Run that version, or a newer one.`,
  )
}

function isPrivilegeMissing(error: unknown): error is OncesinkError {
  if (!(error instanceof OncesinkError)) return false
  return [1_044, 1_142, 1_143, 1_227].includes(asServerError(error.cause)?.errno ?? 0)
}

/** Who runs a job need not be allowed to make tables. */
function withMigrateCure(error: OncesinkError): OncesinkError {
  const cure =
    'Or run `oncesink migrate` once as a user who has it, or apply what `oncesink migrate --print-sql` prints.'
  return new OncesinkError(error.code, `${error.message} ${cure}`, { cause: error.cause })
}
