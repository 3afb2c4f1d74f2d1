import { OncesinkError } from '../../errors.ts'
import type { ColumnDescription, TableDescription, UniqueIndex } from '../dialect.ts'
import type { ServerFacts } from './connect.ts'
import { describeTable } from './describe-table.ts'
import type { Session } from './session.ts'

/** A table as SQL names it: resolved once, with its database, so that a changed default cannot lead elsewhere. */
export interface ResolvedTable {
  /** Quoted. */
  readonly qualifiedName: string
  readonly columns: ReadonlyMap<string, ColumnDescription>
  readonly uniqueIndexes: readonly UniqueIndex[]
  /** Columns that the server sets to the present time whenever their row is updated (ON UPDATE CURRENT_TIMESTAMP). */
  readonly updatedByServer: ReadonlySet<string>
  /** Columns whose value the server computes for each row, and not the same for all: generated, counted, defaults like now(). */
  readonly selfMade: ReadonlySet<string>
}

/** @throws OncesinkError DATABASE_REFUSED when the table has no such column */
export function columnOf(table: ResolvedTable, name: string, column: string): ColumnDescription {
  const found = table.columns.get(column)
  if (found !== undefined) return found
  throw new OncesinkError(
    'DATABASE_REFUSED',
    `table ${name} has no column '${column}' (it has ${[...table.columns.keys()].join(', ')}). ` +
      'Add the column, or name the right one in the sink.',
  )
}

/** What this connection knows of the sinks' tables. Entries live until a statement on the table fails. */
export class TableCatalog {
  readonly #session: Session
  readonly #facts: Pick<ServerFacts, 'exactCollation' | 'flavour'>
  readonly #resolved = new Map<string, ResolvedTable>()

  constructor(session: Session, facts: Pick<ServerFacts, 'exactCollation' | 'flavour'>) {
    this.#session = session
    this.#facts = facts
  }

  /** Whether `VALUES ... AS alias` names the new row; else VALUES(column) does. Each knows only its own way. */
  get hasRowAlias(): boolean {
    return this.#facts.flavour === 'mysql'
  }

  async describe(table: string): Promise<TableDescription | null> {
    const found = await describeTable(this.#session, this.#facts, table)
    if (!found) return null
    this.#resolved.set(table, found.resolved)
    return found.description
  }

  /** @throws OncesinkError DATABASE_REFUSED when the table does not exist */
  async resolve(table: string): Promise<ResolvedTable> {
    const known = this.#resolved.get(table)
    if (known) return known
    const found = await describeTable(this.#session, this.#facts, table)
    if (!found) {
      throw new OncesinkError(
        'DATABASE_REFUSED',
        `table '${table}' does not exist at ${this.#session.target}, or is not visible to this user. ` +
          'Create it, or correct its name in the job.',
      )
    }
    this.#resolved.set(table, found.resolved)
    return found.resolved
  }

  forget(table: string): void {
    this.#resolved.delete(table)
  }
}
