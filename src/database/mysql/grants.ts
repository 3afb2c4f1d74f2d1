import { quoteIdentifier } from './identifiers.ts'
import { missingPrivileges } from './missing-privileges.ts'
import type { Session } from './session.ts'

/** A running job reads, adds and changes rows of its own tables, and deletes old ones; it never makes tables. */
const ROWS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const
/** The row of the first migration is what first claims wait for, and the server lets only who may UPDATE lock a row. */
const LOOK_AND_LOCK = ['SELECT', 'UPDATE'] as const
/** REFERENCES, because tables refer to each other. */
const TABLES = ['CREATE', 'ALTER', 'INDEX', 'REFERENCES', ...ROWS] as const

const purpose = { scope: 'own', doing: 'ask for the privileges of this user' } as const

/** What this user lacks, as statements for whoever may give it. What it has through roles counts. */
export function missingGrants(session: Session, to: 'use' | 'create'): Promise<string[]> {
  return to === 'use' ? missingToUse(session) : missingToCreate(session)
}

/** Without any privilege on a table it is not visible: then what is missing is told as tables to make. */
async function missingToUse(session: Session): Promise<string[]> {
  const { rows } = await session.query<{ name: string; first_column: string }>(
    `SELECT t.table_name AS name, c.column_name AS first_column
     FROM information_schema.tables t JOIN information_schema.columns c
       ON c.table_schema = ? AND c.table_name = t.table_name AND c.ordinal_position = 1
     WHERE t.table_schema = ? AND t.table_type = 'BASE TABLE' AND t.table_name LIKE 'oncesink\\_%'
     ORDER BY t.table_name`,
    // Twice: MariaDB opens the tables of every schema where its name is no constant.
    [session.schema, session.schema],
    purpose,
  )
  const grants: string[] = []
  const account = await accountOf(session)
  for (const { name, first_column: column } of rows) {
    const table = `${quoteIdentifier(session.schema)}.${quoteIdentifier(name)}`
    const wanted: readonly string[] = name === 'oncesink_migrations' ? LOOK_AND_LOCK : ROWS
    const missing = await missingPrivileges(session, table, [column])
    const lacking = missing.filter((privilege) => wanted.includes(privilege))
    if (lacking.length > 0) grants.push(`GRANT ${lacking.join(', ')} ON ${table} TO ${account}`)
  }
  return grants
}

async function missingToCreate(session: Session): Promise<string[]> {
  const { rows } = await session.query<Record<string, string>>('SHOW GRANTS', [], purpose)
  const held = new Set<string>()
  for (const row of rows) {
    for (const privilege of privilegesOn(session.schema, Object.values(row)[0] ?? '')) held.add(privilege)
  }
  if (held.has('ALL PRIVILEGES')) return []
  const lacking = TABLES.filter((privilege) => !held.has(privilege))
  if (lacking.length === 0) return []
  return [
    `GRANT ${lacking.join(', ')} ON ${quoteIdentifier(session.schema)}.* TO ${await accountOf(session)}`,
  ]
}

/**
 * The privileges that one line of SHOW GRANTS gives on a whole database: `GRANT SELECT, CREATE ON *.* TO ...`, or
 * `ON \`name\`.*`, where the name is a pattern.
 */
export function privilegesOn(schema: string, line: string): string[] {
  const [, privileges, global, pattern] =
    /^GRANT (.+?) ON (?:(\*\.\*)|`((?:[^`]|``)+)`\.\*) TO /.exec(line) ?? []
  if (privileges === undefined) return []
  if (global === undefined && !matches(schema, (pattern ?? '').replaceAll('``', '`'))) return []
  return privileges.split(',').map((privilege) => privilege.trim().toUpperCase())
}

/** As LIKE matches: `%` any text, `_` any character, a backslash takes the next one literally. */
function matches(name: string, pattern: string): boolean {
  const source = pattern.replaceAll(/\\?[\s\S]/g, (part) => {
    if (part === '%') return '.*'
    if (part === '_') return '.'
    return (part.length === 2 ? part.slice(1) : part).replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${source}$`, 'is').test(name)
}

/** The account whose privileges count, quoted: not always the name that the client gave. */
async function accountOf(session: Session): Promise<string> {
  const { rows } = await session.query<{ account: string }>('SELECT current_user() AS account', [], purpose)
  const account = rows[0]?.account ?? ''
  const at = account.lastIndexOf('@')
  return `${quoteIdentifier(account.slice(0, at))}@${quoteIdentifier(account.slice(at + 1))}`
}
