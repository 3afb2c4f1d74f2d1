import { readFile } from 'node:fs/promises'
import { invariant, OncesinkError } from '../../errors.ts'
import { type Migration, migrationFiles } from '../migration-files.ts'
import type { InTransaction } from './begin.ts'
import { asServerError } from './errors.ts'
import { quoteIdentifier, quoteLiteral } from './identifiers.ts'
import { ownTable } from './own-tables.ts'
import type { Session } from './session.ts'

/** Beside src/ in the repository, and beside dist/ in the package: three levels up in both. */
const directory = new URL('../../../sql/postgres/', import.meta.url)

/** The numbered files, ascending and without gaps. */
export function listMigrations(from: URL = directory): Promise<Migration[]> {
  return migrationFiles(from)
}

/** Applies what is missing, each in a transaction of its own. Returns the names applied. */
export async function migrate(session: Session, inTransaction: InTransaction): Promise<string[]> {
  const files = await listMigrations()
  const applied: string[] = []
  try {
    for (;;) {
      const name = await inTransaction(() => applyNext(session, files))
      if (name === null) return applied
      applied.push(name)
    }
  } catch (error) {
    throw isPrivilegeMissing(error) ? withMigrateCure(error) : error
  }
}

function isPrivilegeMissing(error: unknown): error is OncesinkError {
  return error instanceof OncesinkError && asServerError(error.cause)?.code === '42501'
}

/** Who runs a job need not be allowed to make tables. */
function withMigrateCure(error: OncesinkError): OncesinkError {
  const cure =
    'Or run `oncesink migrate` once as a role that has it, or apply what `oncesink migrate --print-sql` prints.'
  return new OncesinkError(error.code, `${error.message} ${cure}`, { cause: error.cause })
}

/** Names of what {@link migrate} would apply. */
export async function pendingMigrations(session: Session): Promise<string[]> {
  const migrations = await listMigrations()
  const version = await schemaVersion(session)
  refuseNewer(version, migrations.length, session)
  return migrations.slice(version).map(({ name }) => name)
}

/**
 * 0 when oncesink's tables do not exist. Looked up in the catalog's tables: to_regclass answers from a cache that may
 * still hold "does not exist" from before a wait for another process's migration.
 */
export async function schemaVersion(session: Session): Promise<number> {
  const purpose = { scope: 'own', doing: "read the version of oncesink's tables" } as const
  const { rows } = await session.query(
    `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = 'oncesink_migrations'`,
    [session.schema],
    purpose,
  )
  if (rows.length === 0) return 0
  const newest = await session.query<{ version: number }>(
    `SELECT coalesce(max(version), 0) AS version FROM ${ownTable(session, 'migrations')}`,
    [],
    purpose,
  )
  return newest.rows[0]?.version ?? 0
}

/** When the first migration was applied. */
export async function installedAt(session: Session): Promise<string> {
  const purpose = { scope: 'own', doing: "read the age of oncesink's tables" } as const
  const { rows } = await session.query<{ installed: string }>(
    `SELECT to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') AS installed FROM ${ownTable(session, 'migrations')} WHERE version = 1`,
    [],
    purpose,
  )
  const [first] = rows
  invariant(first !== undefined, 'oncesink has tables without its first migration')
  return first.installed
}

/**
 * One transaction under an advisory lock: processes that start at once apply each migration one after another, and
 * the later ones find it done.
 */
async function applyNext(session: Session, migrations: readonly Migration[]): Promise<string | null> {
  const run = (text: string, values: unknown[] | null, doing = "migrate oncesink's tables") =>
    session.query(text, values, { scope: 'own', doing })
  await run('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [lockName(session.schema)])
  const version = await schemaVersion(session)
  refuseNewer(version, migrations.length, session)
  const next = migrations[version]
  if (!next) return null
  if (version === 0) await createHome(session)
  await run(await sqlOf(next.file, session.schema), null, `apply ${next.name}`)
  await run(`INSERT INTO ${ownTable(session, 'migrations')} (version, name) VALUES ($1, $2)`, [
    next.version,
    next.name,
  ])
  return next.name
}

/** CREATE SCHEMA wants its privilege even where IF NOT EXISTS has nothing to do. */
async function createHome(session: Session): Promise<void> {
  const schema = quoteIdentifier(session.schema)
  const purpose = { scope: 'own', doing: `create schema ${schema} for oncesink's tables` } as const
  const { rows } = await session.query(
    'SELECT FROM pg_namespace WHERE nspname = $1',
    [session.schema],
    purpose,
  )
  if (rows.length === 0) await session.query(`CREATE SCHEMA ${schema}`, null, purpose)
  await session.query(createMigrations(session.schema), null, purpose)
}

function createMigrations(schema: string): string {
  return `CREATE TABLE IF NOT EXISTS ${ownTable({ schema }, 'migrations')} (
  version    integer PRIMARY KEY,
  name       text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)`
}

/**
 * All migrations as one script of plain SQL in one transaction: each looks by itself whether it was applied, under
 * the lock that {@link migrate} takes.
 */
export async function migrationScript(schema: string): Promise<string> {
  const parts = [
    ...scriptHeader,
    'BEGIN;',
    `SELECT pg_advisory_xact_lock(hashtextextended(${quoteLiteral(lockName(schema))}, 0));`,
    `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schema)};`,
    `${createMigrations(schema)};`,
  ]
  for (const migration of await listMigrations()) parts.push(await guardedMigration(migration, schema))
  return `${parts.join('\n')}\nCOMMIT;\n`
}

/** Without ON_ERROR_STOP psql would go on after an error, and exit with 0. */
const scriptHeader = [
  "-- oncesink's own tables, for PostgreSQL 12 and newer. May be applied again: what is there already stays as it is.",
  '-- Apply it with: psql "$DATABASE_URL" --set ON_ERROR_STOP=1 --file this.sql',
]

async function guardedMigration({ version, name, file }: Migration, schema: string): Promise<string> {
  const table = ownTable({ schema }, 'migrations')
  const body = `DO $oncesink$
BEGIN
IF EXISTS (SELECT FROM ${table} WHERE version = ${version}) THEN RETURN; END IF;
${await sqlOf(file, schema)}
INSERT INTO ${table} (version, name) VALUES (${version}, ${quoteLiteral(name)});
END
$oncesink$;`
  invariant(body.split('$oncesink$').length === 3, `the quotes around ${name} end inside it`)
  return body
}

async function sqlOf(file: URL, schema: string): Promise<string> {
  const sql = await readFile(file, 'utf8')
  return sql.replaceAll(':schema', () => quoteIdentifier(schema))
}

function lockName(schema: string): string {
  return `oncesink migrations ${schema}`
}

function refuseNewer(version: number, newest: number, session: Session): void {
  if (version <= newest) return
  throw new OncesinkError(
    'DATABASE_REFUSED',
    `the tables in schema '${session.schema}' at ${session.target} have version ${version}, but this oncesink knows ` +
      `versions up to ${newest}: a newer oncesink has been here. Run that version, or a newer one.`,
  )
}
