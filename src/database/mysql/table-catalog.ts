import type { ColumnDescription, UniqueIndex } from '../dialect.ts'
import { columnIn, type DescribedTable, ResolvedTables } from '../resolved-tables.ts'
import type { ServerFacts } from './connect.ts'
import { describeTable } from './describe-table.ts'
import type { Session } from './session.ts'

/** A table as SQL names it: resolved once, with its database, so that a changed default cannot lead elsewhere. */
export interface ResolvedTable {
  /** Quoted. */
  readonly qualifiedName: string
  readonly columns: ReadonlyMap<string, ColumnDescription>
  readonly uniqueIndexes: readonly UniqueIndex[]
  /** Whether triggers are known of; a role without the privilege TRIGGER does not see them. */
  readonly hasTriggers: boolean
  /** Columns that the server sets to the present time whenever their row is updated (ON UPDATE CURRENT_TIMESTAMP). */
  readonly updatedByServer: ReadonlySet<string>
  /** Columns whose value the server computes for each row, and not the same for all: generated, counted, defaults like now(). */
  readonly selfMade: ReadonlySet<string>
}

/** @throws OncesinkError DATABASE_REFUSED when the table has no such column */
export function columnOf(table: ResolvedTable, name: string, column: string): ColumnDescription {
  return columnIn(table.columns, name, column)
}

/** What this connection knows of the sinks' tables. */
export class TableCatalog extends ResolvedTables<ResolvedTable> {
  readonly #session: Session
  readonly #facts: Pick<ServerFacts, 'exactCollation' | 'flavour'>

  constructor(session: Session, facts: Pick<ServerFacts, 'exactCollation' | 'flavour'>) {
    super()
    this.#session = session
    this.#facts = facts
  }

  /** Whether `VALUES ... AS alias` names the new row; else VALUES(column) does. Each knows only its own way. */
  get hasRowAlias(): boolean {
    return this.#facts.flavour === 'mysql'
  }

  protected override look(table: string): Promise<DescribedTable<ResolvedTable> | null> {
    return describeTable(this.#session, this.#facts, table)
  }

  protected override get target(): string {
    return this.#session.target
  }
}
