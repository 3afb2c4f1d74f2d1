import type {
  AppendTextWrite,
  AppendWrite,
  MergeWrite,
  Transaction,
  UpsertWrite,
} from '../database/dialect.ts'
import { OncesinkError } from '../errors.ts'
import type { JsonArray, JsonObject } from '../model/json-value.ts'
import { rowTextValues } from '../model/row-text.ts'
import type { ColumnValue, JsonText } from '../model/values.ts'

/** What is in a column. A document is its value. */
export type TestValue = Exclude<ColumnValue, JsonText> | JsonObject | JsonArray

/** A row of a table, by column. */
export type TestRow = Readonly<Record<string, TestValue>>

/** Stands in for the batch transaction: keeps what a sink hands to its empty table. */
export class CapturedRows {
  readonly rows: TestRow[] = []

  /** A transaction that takes the rows of declared tables, and nothing else. */
  transaction(): Transaction {
    const operations: Pick<Transaction, 'mergeRows' | 'upsertRows' | 'appendRows' | 'appendText'> = {
      mergeRows: async ({ keys, aggregates, rows }: MergeWrite) =>
        this.#add([...keys, ...aggregates.map(({ column }) => column)], rows),
      // The table is empty, so what is to be deleted is not there.
      upsertRows: async ({ keys, columns, rows }: UpsertWrite) => this.#add([...keys, ...columns], rows),
      appendRows: async ({ columns, rows }: AppendWrite) => this.#add(columns, rows),
      appendText: async ({ columns, text }: AppendTextWrite) => this.#add(columns, rowTextValues(text)),
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
      this.rows.push(Object.fromEntries(columns.map((column, i) => [column, shown(row[i] ?? null)])))
    return rows.length
  }
}

function shown(value: ColumnValue): TestValue {
  const isDocument = typeof value === 'object' && value !== null && 'json' in value
  return isDocument ? (JSON.parse(value.json) as JsonObject | JsonArray) : value
}
