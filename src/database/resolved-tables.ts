import { OncesinkError } from '../errors.ts'
import type { TableDescription } from './dialect.ts'

/** A table for people and checks, and as the engine's SQL names it. */
export interface DescribedTable<Resolved> {
  readonly description: TableDescription
  readonly resolved: Resolved
}

/** What a connection knows of the sinks' tables. Entries live until a statement on the table fails. */
export abstract class ResolvedTables<Resolved> {
  readonly #resolved = new Map<string, Resolved>()

  /** Asks the server; null when the table does not exist or is not visible. */
  protected abstract look(table: string): Promise<DescribedTable<Resolved> | null>
  /** The server, for messages. */
  protected abstract get target(): string

  async describe(table: string): Promise<TableDescription | null> {
    const found = await this.look(table)
    if (!found) return null
    this.#resolved.set(table, found.resolved)
    return found.description
  }

  /** @throws OncesinkError DATABASE_REFUSED when the table does not exist */
  async resolve(table: string): Promise<Resolved> {
    const known = this.#resolved.get(table)
    if (known) return known
    const found = await this.look(table)
    if (!found) {
      throw new OncesinkError(
        'DATABASE_REFUSED',
        `table '${table}' does not exist at ${this.target}, or is not visible to this user. ` +
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

/** @throws OncesinkError DATABASE_REFUSED when the table has no such column */
export function columnIn<Column>(
  columns: ReadonlyMap<string, Column>,
  table: string,
  column: string,
): Column {
  const found = columns.get(column)
  if (found !== undefined) return found
  throw new OncesinkError(
    'DATABASE_REFUSED',
    `table ${table} has no column '${column}' (it has ${[...columns.keys()].join(', ')}). ` +
      'Add the column, or name the right one in the sink.',
  )
}
