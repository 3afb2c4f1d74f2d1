import type { BoundedList } from './violation.ts'

/** A row of a table that is not what the log says. */
export interface RowDifference {
  readonly class: 'row-missing' | 'row-unexpected' | 'row-different' | 'row-repeated'
  /** Key columns, or for tables without keys every column, as text. */
  readonly key: Readonly<Record<string, string | null>>
  /** Columns beside the key, as text; null where there is no such row. */
  readonly expected: Readonly<Record<string, string | null>> | null
  readonly actual: Readonly<Record<string, string | null>> | null
  /** How many such rows there are, where rows have no key. */
  readonly times?: number
}

export interface ColumnTotal {
  readonly column: string
  readonly expected: string
  readonly actual: string
}

/** What the comparison of one table found. */
export interface TableReport {
  readonly table: string
  readonly sink: 'merge' | 'upsert' | 'append'
  readonly rowsExpected: number
  readonly rowsActual: number
  readonly differences: BoundedList<RowDifference>
  /**
   * Records that are in the log and not in the table, and records that the table holds too often, added up key by
   * key so that one never hides the other. Null when the table has no column that counts records.
   */
  readonly lost: bigint | null
  readonly duplicated: bigint | null
  /** Sums over the columns that add up. */
  readonly totals: readonly ColumnTotal[]
  /** Columns that could not be compared, with the reason. */
  readonly notCompared: readonly string[]
}
