import type { ColumnHolds } from '../column-class.ts'
import { columnIn, type DescribedTable, ResolvedTables } from '../resolved-tables.ts'
import { describeTable } from './describe-table.ts'
import type { Session } from './session.ts'

/** A table as SQL names it: resolved once, so that a changed search_path cannot lead elsewhere. */
export interface ResolvedTable {
  readonly qualifiedName: string
  readonly columnTypes: ReadonlyMap<string, ColumnType>
}

export interface ColumnType {
  /** With its schema and without a length: a cast to varchar(3) would cut a text silently. */
  readonly name: string
  /** Whether there is an array type of it (there is none of array types). */
  readonly hasArray: boolean
  readonly holds: ColumnHolds
  /** Whether the server makes the value itself where none is given: generated, identity, a default that is computed. */
  readonly selfMade: boolean
}

/** @throws OncesinkError DATABASE_REFUSED when the table has no such column */
export function columnType(table: ResolvedTable, name: string, column: string): ColumnType {
  return columnIn(table.columnTypes, name, column)
}

/** What this connection knows of the sinks' tables. */
export class TableCatalog extends ResolvedTables<ResolvedTable> {
  readonly #session: Session

  constructor(session: Session) {
    super()
    this.#session = session
  }

  protected override look(table: string): Promise<DescribedTable<ResolvedTable> | null> {
    return describeTable(this.#session, table)
  }

  protected override get target(): string {
    return this.#session.target
  }
}
