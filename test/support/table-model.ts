import type { AppendWrite, MergeWrite, Transaction, UpsertWrite } from '../../src/database/dialect.ts'
import { rowTextValues } from '../../src/model/row-text.ts'
import type { ColumnValue } from '../../src/model/values.ts'

type Row = Record<string, ColumnValue>

/**
 * What the operations of the dialect port mean, on tables in memory. Changes of a transaction are seen by nobody until
 * they are committed; a rollback forgets them.
 */
export class TableModel {
  /** By table: rows by the text of their key, or one after another where a table is appended to. */
  #tables = new Map<string, Map<string, Row>>()

  /** Runs `work` in a transaction, and commits it or rolls it back. */
  async transaction(work: (trx: Transaction) => Promise<unknown>, end: 'commit' | 'rollback'): Promise<void> {
    const before = this.#tables
    this.#tables = structuredClone(before)
    const trx: Pick<Transaction, 'mergeRows' | 'upsertRows' | 'appendRows' | 'appendText'> = {
      mergeRows: async (write) => this.#merge(write),
      upsertRows: async (write) => this.#upsert(write),
      appendRows: async (write) => this.#append(write),
      appendText: async ({ text, ...write }) => this.#append({ ...write, rows: rowTextValues(text) }),
    }
    await work(trx as Transaction)
    if (end === 'rollback') this.#tables = before
  }

  /** The rows of every table, each as text, sorted. */
  content(): Record<string, string[]> {
    return Object.fromEntries(
      [...this.#tables].map(([table, rows]) => [table, [...rows.values()].map(textOf).sort()]),
    )
  }

  #rows(table: string): Map<string, Row> {
    const rows = this.#tables.get(table) ?? new Map<string, Row>()
    this.#tables.set(table, rows)
    return rows
  }

  #merge({ table, keys, aggregates, rows }: MergeWrite): number {
    const known = this.#rows(table)
    refuseRepeatedKeys(rows, keys.length)
    for (const row of rows) {
      const id = keyText(row, keys.length)
      const added = rowOf([...keys, ...aggregates.map(({ column }) => column)], row)
      const old = known.get(id)
      if (!old) {
        known.set(id, added)
        continue
      }
      const merged = { ...old }
      for (const { column, rule, by } of aggregates) {
        const [a, b] = [old[column] ?? null, added[column] ?? null]
        if (rule === 'add') merged[column] = addValues(a, b)
        else if (by === undefined) merged[column] = betterOf(rule, a, b)
        else merged[column] = chosenBy(rule, [old[by] ?? null, a], [added[by] ?? null, b])
      }
      known.set(id, merged)
    }
    return rows.length
  }

  #upsert({ table, keys, columns, rows, deletes }: UpsertWrite): number {
    const known = this.#rows(table)
    refuseRepeatedKeys([...rows, ...deletes], keys.length)
    for (const key of deletes) known.delete(keyText(key, keys.length))
    for (const row of rows) known.set(keyText(row, keys.length), rowOf([...keys, ...columns], row))
    return rows.length + deletes.length
  }

  #append({ table, columns, rows }: AppendWrite): number {
    const known = this.#rows(table)
    for (const row of rows) known.set(String(known.size), rowOf(columns, row))
    return rows.length
  }
}

function refuseRepeatedKeys(rows: readonly (readonly ColumnValue[])[], keys: number): void {
  const texts = rows.map((row) => keyText(row, keys))
  if (new Set(texts).size !== texts.length) throw new Error('one statement would touch a row twice')
}

function keyText(row: readonly ColumnValue[], keys: number): string {
  return JSON.stringify(row.slice(0, keys).map(valueText))
}

/** Columns that are NULL are those that a row does not have. */
function rowOf(columns: readonly string[], row: readonly ColumnValue[]): Row {
  return Object.fromEntries(
    columns.flatMap((column, i) => (row[i] === null ? [] : [[column, row[i] ?? null]])),
  )
}

function textOf(row: Row): string {
  return JSON.stringify(
    Object.keys(row)
      .filter((name) => row[name] !== null)
      .sort()
      .map((name) => [name, valueText(row[name] ?? null)]),
  )
}

function valueText(value: ColumnValue): string {
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'object' && value !== null && 'json' in value ? value.json : String(value)
}

/** Decimals of one scale as text, integers as numbers or bigints. */
function addValues(a: ColumnValue, b: ColumnValue): ColumnValue {
  if (a === null || b === null) return a ?? b
  if (typeof a !== 'string' || typeof b !== 'string') return BigInt(Number(a)) + BigInt(Number(b))
  const scale = a.split('.')[1]?.length ?? 0
  const sum = BigInt(a.replace('.', '')) + BigInt(b.replace('.', ''))
  const digits = String(sum < 0 ? -sum : sum).padStart(scale + 1, '0')
  const point = digits.length - scale
  return `${sum < 0 ? '-' : ''}${digits.slice(0, point)}${scale > 0 ? `.${digits.slice(point)}` : ''}`
}

function betterOf(rule: 'least' | 'greatest', a: ColumnValue, b: ColumnValue): ColumnValue {
  if (a === null || b === null) return a ?? b
  return isLess(a, b) === (rule === 'least') ? a : b
}

/** Texts by their bytes, as servers do. */
function isLess(a: NonNullable<ColumnValue>, b: NonNullable<ColumnValue>): boolean {
  if (typeof a === 'string' && typeof b === 'string')
    return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
  return a < b
}

type Chosen = readonly [by: ColumnValue, value: ColumnValue]

function chosenBy(rule: 'least' | 'greatest', [oldBy, old]: Chosen, [newBy, added]: Chosen): ColumnValue {
  if (newBy === null) return old
  if (oldBy === null || (rule === 'least' ? newBy < oldBy : newBy > oldBy)) return added
  if (rule === 'least' ? oldBy < newBy : oldBy > newBy) return old
  return betterOf('greatest', old, added)
}
