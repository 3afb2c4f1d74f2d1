import { OncesinkError } from '../../errors.ts'
import type { ColumnValue } from '../../model/values.ts'
import type { ColumnClass } from '../column-class.ts'
import type { MergeColumn, MergeWrite } from '../dialect.ts'
import { quoteIdentifier } from './identifiers.ts'
import { columnOf, type ResolvedTable } from './table-catalog.ts'

/** Names the new row, in MySQL; no column of a table is meant by it. */
export const ROW_ALIAS = 'oncesink_new'

/** How an assignment names a column's value in the table, and in the new row. */
export interface RowNames {
  readonly before: (column: string) => string
  readonly after: (column: string) => string
}

export function rowNames(table: ResolvedTable, hasRowAlias: boolean): RowNames {
  return {
    before: (column) => `${table.qualifiedName}.${quoteIdentifier(column)}`,
    after: (column) =>
      hasRowAlias ? `${ROW_ALIAS}.${quoteIdentifier(column)}` : `VALUES(${quoteIdentifier(column)})`,
  }
}

/**
 * The assignments of ON DUPLICATE KEY UPDATE. They run from left to right, and each sees what those before it have
 * assigned: a value that is chosen by another column is assigned before that column.
 */
export function updatesOf(table: ResolvedTable, write: MergeWrite, names: RowNames): string[] {
  const chosen = write.aggregates.filter((aggregate) => aggregate.by !== undefined)
  const others = write.aggregates.filter((aggregate) => aggregate.by === undefined)
  const updates = [...chosen, ...others].map((aggregate) => updateOf(table, write.table, aggregate, names))
  return [...keptKeys(table, write.keys, updates.length === 0, names), ...updates]
}

/**
 * Keys stay what they are. Said where the server would change one (a TIMESTAMP of older MariaDB is updated to the
 * present time if its declaration says nothing), and where there is nothing else to assign.
 */
export function keptKeys(
  table: ResolvedTable,
  keys: readonly string[],
  all: boolean,
  names: RowNames,
): string[] {
  const kept = keys.filter((key) => all || table.updatedByServer.has(key))
  return kept.map((key) => `${quoteIdentifier(key)} = ${names.before(key)}`)
}

function updateOf(table: ResolvedTable, name: string, aggregate: MergeColumn, names: RowNames): string {
  const { column, rule, by } = aggregate
  const [before, after] = [names.before(column), names.after(column)]
  if (by !== undefined) {
    const text = isText(columnOf(table, name, column).class)
    return `${quoteIdentifier(column)} = ${chosenBy(column, by, rule, text, names)}`
  }
  switch (rule) {
    case 'add':
      return `${quoteIdentifier(column)} = COALESCE(${before} + ${after}, ${before}, ${after})`
    case 'least':
    case 'greatest': {
      // LEAST and GREATEST of this server are NULL as soon as one value is.
      const wins = `${after} ${rule === 'least' ? '<' : '>'} ${before}`
      return `${quoteIdentifier(column)} = IF(${before} IS NULL OR ${wins}, ${after}, ${before})`
    }
  }
}

/**
 * The new value where its companion wins, or where the companions are equal and the value is larger. Comparing with
 * NULL is never true. Text is compared by its bytes, whatever the collation of the column.
 */
function chosenBy(
  column: string,
  by: string,
  rule: MergeColumn['rule'],
  text: boolean,
  { before, after }: RowNames,
): string {
  const ordered = (value: string) => (text ? `CAST(${value} AS BINARY)` : value)
  const wins = `${after(by)} ${rule === 'least' ? '<' : '>'} ${before(by)}`
  const larger = `${ordered(after(column))} > ${ordered(before(column))}`
  return (
    `IF(${wins} OR (${before(by)} IS NULL AND ${after(by)} IS NOT NULL) ` +
    `OR (${after(by)} = ${before(by)} AND (${larger} OR ${before(column)} IS NULL)), ` +
    `${after(column)}, ${before(column)})`
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
  const text = isText(columnOf(table, write.table, column).class)
  return (value) => {
    if (value === null || value === undefined || (typeof value === 'string') === text) return
    throw new OncesinkError(
      'DATABASE_REFUSED',
      `column '${column}' of ${write.table} ${text ? 'is text' : 'is no text'}, but maxBy or minBy gave it a ` +
        `${typeof value}, whose order is another one: change the type of the column, or convert the value in the job.`,
    )
  }
}

function isText(name: ColumnClass): boolean {
  return name.endsWith('text')
}
