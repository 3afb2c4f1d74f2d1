import { OncesinkError } from '../../errors.ts'
import type { ColumnValue } from '../../model/values.ts'
import type { MergeColumn, MergeWrite } from '../dialect.ts'
import { quoteIdentifier } from './identifiers.ts'
import { columnType, type ResolvedTable } from './table-catalog.ts'

/** The assignments of DO UPDATE SET: `t` is the row in the table, EXCLUDED the new one. */
export function updatesOf(table: ResolvedTable, write: MergeWrite): string[] {
  const updates = write.aggregates.map((aggregate) => updateOf(table, write.table, aggregate))
  // Keys alone: a row that is there already must count as taken too.
  return updates.length > 0 ? updates : write.keys.map(quoteIdentifier).map((key) => `${key} = t.${key}`)
}

function updateOf(table: ResolvedTable, name: string, aggregate: MergeColumn): string {
  const column = quoteIdentifier(aggregate.column)
  const { rule, by } = aggregate
  if (by !== undefined)
    return chosenBy(column, quoteIdentifier(by), rule, isText(table, name, aggregate.column))
  switch (rule) {
    case 'add':
      return `${column} = coalesce(t.${column} + EXCLUDED.${column}, t.${column}, EXCLUDED.${column})`
    case 'least':
    case 'greatest':
      // PostgreSQL's own LEAST and GREATEST ignore NULLs.
      return `${column} = ${rule}(t.${column}, EXCLUDED.${column})`
  }
}

/**
 * The new value where its companion wins, or where the companions are equal and the value is larger. Comparing with
 * NULL is never true. Text is compared by its bytes, whatever the collation of the column.
 */
function chosenBy(column: string, by: string, rule: MergeColumn['rule'], text: boolean): string {
  const wins = `EXCLUDED.${by} ${rule === 'least' ? '<' : '>'} t.${by}`
  const larger = `EXCLUDED.${column} > t.${column}${text ? ' COLLATE "C"' : ''}`
  return (
    `${column} = CASE WHEN ${wins} OR (t.${by} IS NULL AND EXCLUDED.${by} IS NOT NULL) ` +
    `OR (EXCLUDED.${by} = t.${by} AND (${larger} OR t.${column} IS NULL)) ` +
    `THEN EXCLUDED.${column} ELSE t.${column} END`
  )
}

/**
 * A check for the values of `column`: text belongs into a column of text, and nothing else does, where their order
 * decides what stays. '10' is less than '9' as text, and more as a number.
 */
export function orderCheck(
  table: ResolvedTable,
  write: MergeWrite,
  column: string,
): ((value: ColumnValue | undefined) => void) | null {
  if (write.aggregates.find((aggregate) => aggregate.column === column)?.by === undefined) return null
  const text = isText(table, write.table, column)
  return (value) => {
    if (value === null || value === undefined || (typeof value === 'string') === text) return
    throw new OncesinkError(
      'DATABASE_REFUSED',
      `column '${column}' of ${write.table} ${text ? 'is text' : 'is no text'}, but maxBy or minBy gave it a ` +
        `${typeof value}, whose order is another one: change the type of the column, or convert the value in the job.`,
    )
  }
}

function isText(table: ResolvedTable, name: string, column: string): boolean {
  return textTypes.has(columnType(table, name, column).name.replaceAll('"', ''))
}

const textTypes: ReadonlySet<string> = new Set(['pg_catalog.text', 'pg_catalog.varchar'])
