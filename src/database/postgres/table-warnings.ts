import type { Session } from './session.ts'

interface Finding {
  readonly warning: string
}

/**
 * What makes a table's rows differ from what is written to it, or its rows not share the transaction's fate, found
 * by looking through its partitions too.
 */
export async function tableWarnings(session: Session, oid: string, table: string): Promise<string[]> {
  const { rows } = await session.query<Finding>(findings, [oid], {
    scope: 'own',
    doing: `look for triggers, rules and partitions of ${table}`,
  })
  return rows.map((row) => row.warning)
}

const findings = `
  WITH RECURSIVE tree(oid) AS (
    SELECT $1::oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.oid
  ), members AS (
    SELECT c.*, c.oid::regclass::text AS label FROM tree t JOIN pg_class c ON c.oid = t.oid
  )
  SELECT 'partition ' || label || CASE relkind
      WHEN 'f' THEN ' is a foreign table: its rows do not share the transaction''s fate'
      ELSE ' is unlogged: its rows are lost when the server crashes, the positions are not' END AS warning
  FROM members WHERE oid <> $1::oid AND (relkind = 'f' OR relpersistence = 'u')
  UNION ALL
  SELECT 'trigger ' || quote_ident(t.tgname) || ' on ' || m.label || ' runs with every row: it may change or drop rows'
  FROM members m JOIN pg_trigger t ON t.tgrelid = m.oid
  WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
    -- copies of a parent's trigger; the column is new in PostgreSQL 13
    AND coalesce(to_jsonb(t) ->> 'tgparentid', '0') = '0'
  UNION ALL
  SELECT 'rule ' || quote_ident(r.rulename) || ' on ' || m.label || ' rewrites statements: it may change or drop rows'
  FROM members m JOIN pg_rewrite r ON r.ev_class = m.oid
  WHERE r.rulename <> '_RETURN' AND r.ev_enabled IN ('O', 'A')
  UNION ALL
  SELECT 'row-level security on ' || label || ' is active for this user: it may hide or refuse rows, and COPY is refused'
  FROM members WHERE relrowsecurity AND row_security_active(oid)
  ORDER BY 1`
