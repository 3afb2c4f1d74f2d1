import type { ConnectionLimit } from '../dialect.ts'
import type { Session } from './session.ts'

type Row = { setting: string; most: number; open: number }

/**
 * The server's limit, less what it reserves for roles that this one is not, the database's and the role's own. Of other
 * roles' sessions everybody may count those that belong to a database.
 */
export async function connectionLimits(session: Session): Promise<ConnectionLimit[]> {
  const { rows } = await session.query<Row>(
    `WITH me AS (SELECT * FROM pg_roles WHERE rolname = current_user),
       reserved AS (
         SELECT current_setting('superuser_reserved_connections')::int
              + coalesce(current_setting('reserved_connections', true)::int, 0) AS slots)
     SELECT 'max_connections' AS setting,
            current_setting('max_connections')::int - CASE WHEN me.rolsuper THEN 0 ELSE reserved.slots END AS most,
            (SELECT count(*)::int FROM pg_stat_activity WHERE datid IS NOT NULL) AS open
       FROM me, reserved
     UNION ALL
     SELECT 'CONNECTION LIMIT of database ' || datname, datconnlimit,
            (SELECT count(*)::int FROM pg_stat_activity a WHERE a.datid = d.oid)
       FROM pg_database d WHERE datname = current_database() AND datconnlimit >= 0
     UNION ALL
     SELECT 'CONNECTION LIMIT of role ' || rolname, rolconnlimit,
            (SELECT count(*)::int FROM pg_stat_activity a WHERE a.usesysid = me.oid AND datid IS NOT NULL)
       FROM me WHERE rolconnlimit >= 0`,
    [],
    { scope: 'own', doing: 'ask how many connections the server has' },
  )
  return rows
}
