import type { PartialResult } from '../aggregation/partial-result.ts'
import type { TableReport } from './table-report.ts'

/**
 * Compares one table with the log, in one or more passes over both.
 *
 * States: `wanting` -> add() any number of times -> columns() -> row() any number of times -> endPass() ->
 *         `wanting` again, or `done` -> report().
 */
export interface TableCheck {
  readonly table: string
  /** One partial result of the pipeline that feeds the table, in log order per partition. */
  add(partial: PartialResult): void
  /** Columns to read of the table in this pass, once the log was read. */
  columns(): readonly string[]
  /** One row of the table: the texts of {@link columns}. */
  row(texts: readonly (string | null)[]): void
  /** True when log and table have to be read once more. */
  endPass(): boolean
  report(): TableReport
}
