import type { AppendWrite, MergeWrite, Transaction, UpsertWrite } from '../database/dialect.ts'
import { OncesinkError } from '../errors.ts'
import type { ColumnValue } from '../model/values.ts'

/** A row of a table, by column. */
export type TestRow = Readonly<Record<string, ColumnValue>>

/** Stands in for the batch transaction: keeps what a sink hands to its empty table. */
export class CapturedRows {
  readonly rows: TestRow[] = []

  /** A transaction that takes the rows of declared tables, and nothing else. */
  transaction(): Transaction {
    const operations: Pick<Transaction, 'mergeRows' | 'upsertRows' | 'appendRows'> = {
      mergeRows: async ({ keys, aggregates, rows }: MergeWrite) =>
        this.#add([...keys, ...aggregates.map(({ column }) => column)], rows),
      // The table is empty, so what is to be deleted is not there.
      upsertRows: async ({ keys, columns, rows }: UpsertWrite) => this.#add([...keys, ...columns], rows),
      appendRows: async ({ columns, rows }: AppendWrite) => this.#add(columns, rows),
    }
    return new Proxy(operations as Transaction, {
      get(target, name, receiver) {
        if (name in target) return Reflect.get(target, name, receiver)
        throw new OncesinkError(
          'CONFIGURATION_INVALID',
          `a job under test has no database for ${String(name)}`,
        )
      },
    })
  }

  #add(columns: readonly string[], rows: readonly (readonly ColumnValue[])[]): number {
    for (const row of rows)
      this.rows.push(Object.fromEntries(columns.map((column, i) => [column, row[i] ?? null])))
    return rows.length
  }
}
