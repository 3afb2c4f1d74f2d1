import { OncesinkError } from '../../errors.ts'
import type { ColumnHolds } from '../column-class.ts'
import type { TableDescription } from '../dialect.ts'
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
  const type = table.columnTypes.get(column)
  if (type !== undefined) return type
  throw new OncesinkError(
    'DATABASE_REFUSED',
    `table ${name} has no column '${column}' (it has ${[...table.columnTypes.keys()].join(', ')}). ` +
      'Add the column, or name the right one in the sink.',
  )
}

/** What this connection knows of the sinks' tables. Entries live until a statement on the table fails. */
export class TableCatalog {
  readonly #session: Session
  readonly #resolved = new Map<string, ResolvedTable>()

  constructor(session: Session) {
    this.#session = session
  }

  async describe(table: string): Promise<TableDescription | null> {
    const found = await describeTable(this.#session, table)
    if (!found) return null
    this.#resolved.set(table, found.resolved)
    return found.description
  }

  /** @throws OncesinkError DATABASE_REFUSED when the table does not exist */
  async resolve(table: string): Promise<ResolvedTable> {
    const known = this.#resolved.get(table)
    if (known) return known
    const found = await describeTable(this.#session, table)
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
