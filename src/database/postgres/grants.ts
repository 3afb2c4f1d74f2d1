import { quoteIdentifier } from './identifiers.ts'
import type { Session } from './session.ts'

/** A running job reads, adds and changes rows of its own tables, and deletes old ones; it never makes tables. */
const ROWS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE']
/** Which migrations were applied is only looked up. */
const LOOK = ['SELECT']

interface OwnRelation {
  readonly role: string
  /** Null for a schema without tables of oncesink's. */
  readonly name: string | null
  /** Whether this role may use the schema. */
  readonly usage: boolean
  /** Of {@link ROWS}, what this role has. */
  readonly held: string[]
}

/** What this role lacks, as statements for whoever may give it. What it has through membership counts. */
export function missingGrants(session: Session, to: 'use' | 'create'): Promise<string[]> {
  return to === 'use' ? missingToUse(session) : missingToCreate(session)
}

async function missingToCreate(session: Session): Promise<string[]> {
  const { rows } = await session.query<{ role: string; database: string; schema: boolean; held: boolean }>(
    `SELECT current_user AS role, current_database() AS database, n.oid IS NOT NULL AS schema,
       CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
         ELSE has_schema_privilege(n.oid, 'CREATE') END AS held
     FROM (VALUES (1)) AS one LEFT JOIN pg_namespace n ON n.nspname = $1`,
    [session.schema],
    purpose,
  )
  return rows
    .filter(({ held }) => !held)
    .map(({ role, database, schema }) =>
      grant(
        schema
          ? `CREATE ON SCHEMA ${quoteIdentifier(session.schema)}`
          : `CREATE ON DATABASE ${quoteIdentifier(database)}`,
        role,
      ),
    )
}

async function missingToUse(session: Session): Promise<string[]> {
  const { rows } = await session.query<OwnRelation>(
    `SELECT current_user AS role, c.relname AS name, has_schema_privilege(n.oid, 'USAGE') AS usage, ARRAY(
       SELECT p FROM unnest($2::text[]) WITH ORDINALITY AS u(p, place)
       WHERE has_table_privilege(c.oid, p) ORDER BY place) AS held
     FROM pg_namespace n
     LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r' AND starts_with(c.relname, 'oncesink_')
     WHERE n.nspname = $1 ORDER BY c.relname`,
    [session.schema, ROWS],
    purpose,
  )
  const schema = quoteIdentifier(session.schema)
  const [first] = rows
  const grants = first && !first.usage ? [grant(`USAGE ON SCHEMA ${schema}`, first.role)] : []
  for (const { role, name, held } of rows) {
    if (name === null) continue
    const lacking = (name === 'oncesink_migrations' ? LOOK : ROWS).filter((p) => !held.includes(p))
    if (lacking.length > 0)
      grants.push(grant(`${lacking.join(', ')} ON ${schema}.${quoteIdentifier(name)}`, role))
  }
  return grants
}

const purpose = { scope: 'own', doing: 'ask for the privileges of this role' } as const

function grant(what: string, role: string): string {
  return `GRANT ${what} TO ${quoteIdentifier(role)}`
}
