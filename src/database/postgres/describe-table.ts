import type { ColumnHolds } from '../column-class.ts'
import type { ColumnDescription } from '../dialect.ts'
import type { DescribedTable } from '../resolved-tables.ts'
import { columnHolds, cureWords } from './column-class.ts'
import { quoteIdentifier, quoteTable } from './identifiers.ts'
import type { Session } from './session.ts'
import type { ResolvedTable } from './table-catalog.ts'
import { tableWarnings } from './table-warnings.ts'

interface Relation {
  readonly oid: string
  readonly schema: string
  readonly name: string
  readonly relkind: string
  readonly relpersistence: string
  readonly missing: string[]
}

interface Column {
  readonly name: string
  readonly type: string
  /** What is below all domains, with its length or precision. */
  readonly base_type: string
  /** The collation where it takes different texts for equal, else null. */
  readonly folding_collation: string | null
  readonly type_name: string
  readonly has_array: boolean
  readonly max_length: number | null
  readonly nullable: boolean
  readonly has_default: boolean
  readonly generated: boolean
  readonly self_made: boolean
  readonly scale: number | null
}

const kinds: Readonly<Record<string, string>> = {
  r: 'table',
  p: 'table',
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
}

/** Null when the table does not exist, or is in a schema that this role may not use. */
export async function describeTable(
  session: Session,
  table: string,
): Promise<DescribedTable<ResolvedTable> | null> {
  const query = <Row extends object>(text: string, values: unknown[]) =>
    session.query<Row>(text, values, { scope: 'own', doing: `describe table ${table}` })
  const quoted = quoteTable(table)
  const { rows } = await query<Relation>(relation, [quoted, table.includes('.') ? table.split('.')[0] : null])
  const [found] = rows
  if (!found) return null
  const columns = await query<Column>(columnsOf, [found.oid])
  const keys = await query<{ columns: string[] }>(uniqueKeysOf, [found.oid])
  const qualifiedName = `${quoteIdentifier(found.schema)}.${quoteIdentifier(found.name)}`
  return {
    description: {
      qualifiedName,
      kind: kindOf(found),
      columns: columns.rows.map(toColumn),
      uniqueKeys: keys.rows.map((row) => row.columns),
      alsoMatching: [],
      warnings: await tableWarnings(session, found.oid, qualifiedName),
      missingPrivileges: found.missing,
      words: cureWords,
    },
    resolved: {
      qualifiedName,
      columnTypes: new Map(
        columns.rows.map((column) => [
          column.name,
          {
            name: column.type_name,
            hasArray: column.has_array,
            holds: holdsOf(column),
            selfMade: column.self_made,
          },
        ]),
      ),
    },
  }
}

function kindOf({ relkind, relpersistence }: Relation): string {
  const kind = kinds[relkind] ?? 'not a table'
  if (kind !== 'table') return kind
  if (relpersistence === 'u') return 'unlogged table'
  return relpersistence === 't' ? 'temporary table' : kind
}

function holdsOf(column: Column): ColumnHolds {
  return columnHolds(column.base_type, column.scale, column.max_length, column.folding_collation !== null)
}

function toColumn(column: Column): ColumnDescription {
  const folds = column.folding_collation
  return {
    name: column.name,
    type: folds === null ? column.type : `${column.type} COLLATE ${folds}`,
    nullable: column.nullable,
    hasDefault: column.has_default,
    generated: column.generated,
    ...holdsOf(column),
  }
}

// Every privilege but DELETE may be given on single columns. to_regclass gives null, not an error, for what does not
// exist; but an error in a schema without USAGE. OFFSET 0 keeps the planner from calling it before that was looked at.
const relation = `
  SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text, c.relpersistence::text,
    ARRAY(SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
          WHERE NOT has_table_privilege(c.oid, p) AND NOT (
            p <> 'DELETE' AND (SELECT bool_and(has_column_privilege(c.oid, a.attnum, p)) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))) AS missing
  FROM (
    SELECT $1::text AS name WHERE $2::text IS NULL
      OR EXISTS (SELECT FROM pg_namespace s WHERE s.nspname = $2 AND has_schema_privilege(s.oid, 'USAGE'))
    OFFSET 0
  ) AS wanted
  JOIN pg_class c ON c.oid = to_regclass(wanted.name)
  JOIN pg_namespace n ON n.oid = c.relnamespace`

/**
 * A default that is not the same for every insert: a function that is not immutable (now(), nextval()), CURRENT_TIMESTAMP
 * and its like, or a text that is read anew.
 */
const computedDefault = `
  SELECT FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND (
    d.adbin::text ~ '{(SQLVALUEFUNCTION|NEXTVALUEEXPR|COERCEVIAIO)'
    OR EXISTS (SELECT FROM regexp_matches(d.adbin::text, ':(?:func|opfunc)id ([0-9]+)', 'g') AS called
               JOIN pg_proc f ON f.oid = called[1]::oid WHERE f.provolatile <> 'i'))`

const columnsOf = `
  SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    format_type(base.type, base.modifier) AS base_type,
    CASE WHEN NOT o.collisdeterministic THEN quote_ident(o.collname) END AS folding_collation,
    quote_ident(tn.nspname) || '.' || quote_ident(t.typname) AS type_name, t.typarray <> 0 AS has_array,
    CASE WHEN base.type IN ('varchar'::regtype, 'bpchar'::regtype) AND base.modifier >= 4
      THEN base.modifier - 4 END AS max_length,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS nullable,
    a.atthasdef OR a.attidentity <> '' AS has_default,
    a.attgenerated <> '' AS generated,
    a.attgenerated <> '' OR a.attidentity <> '' OR EXISTS (${computedDefault}) AS self_made,
    CASE WHEN base.type = 'numeric'::regtype AND base.modifier >= 4
      -- the scale is a signed 11-bit number since PostgreSQL 15
      THEN (((base.modifier - 4) & 2047) # 1024) - 1024
    END AS scale
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_namespace tn ON tn.oid = t.typnamespace
  LEFT JOIN pg_collation o ON o.oid = a.attcollation
  CROSS JOIN LATERAL (
    -- only the innermost of nested domains can declare a length or a precision
    WITH RECURSIVE layers AS (
      SELECT a.atttypid AS type, a.atttypmod AS modifier
      UNION ALL
      SELECT d.typbasetype, d.typtypmod FROM layers JOIN pg_type d ON d.oid = layers.type WHERE d.typtype = 'd'
    )
    SELECT type, modifier FROM layers JOIN pg_type b ON b.oid = layers.type WHERE b.typtype <> 'd'
  ) AS base
  WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attnum`

/**
 * Valid, immediate, without a predicate, on plain columns (an expression has column number 0), and of collations that
 * keep every two texts apart: an index may have another collation than its column.
 */
const uniqueKeysOf = `
  SELECT ARRAY(
    SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.n
  ) AS columns
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
    AND i.indexprs IS NULL
    AND NOT EXISTS (SELECT FROM unnest(i.indcollation::oid[]) AS used JOIN pg_collation o ON o.oid = used
                    WHERE NOT o.collisdeterministic)
  ORDER BY i.indisprimary DESC, c.relname`
