import type { LatestRow, PartialResult } from '../aggregation/partial-result.ts'
import type { TableDescription } from '../database/dialect.ts'
import { invariant } from '../errors.ts'
import type { UpsertPlan } from '../sink/sink-plan.ts'
import { comparedColumn } from './compared-column.ts'
import { MergeComparison, UNKNOWN } from './merge-comparison.ts'
import type { TableCheck } from './table-check.ts'

/**
 * An `upsert` table: the last row of every key is found in memory, then the table's rows pass by once.
 *
 * A column that a row lacks is NULL, or unknown where the column has a default: it is left out for that row, and named.
 * A key that occurs in several partitions has no last record in the log, only in the order of the commits: whatever the
 * table has for it is taken.
 */
export function createUpsertCheck(sink: UpsertPlan, description: TableDescription): TableCheck {
  return new UpsertCheck(sink, description)
}

class UpsertCheck implements TableCheck {
  readonly #sink: UpsertPlan
  readonly #description: TableDescription
  readonly #latest = new Map<string, LatestRow>()
  readonly #contested = new Set<string>()
  #comparison: MergeComparison | null = null
  readonly #notes: string[] = []

  constructor(sink: UpsertPlan, description: TableDescription) {
    this.#sink = sink
    this.#description = description
  }

  get table(): string {
    return this.#sink.table
  }

  add(partial: PartialResult): void {
    invariant(partial.kind === 'latest', `upsert is fed by the last rows, not ${partial.kind}`)
    for (const [text, row] of partial.latest) {
      const known = this.#latest.get(text)
      if (known && (known.topic !== row.topic || known.partition !== row.partition)) this.#contested.add(text)
      this.#latest.set(text, row)
    }
  }

  columns(): readonly string[] {
    const keyNames = this.#sink.keys.map(({ name }) => name)
    const fields = new Set<string>()
    for (const { row } of this.#latest.values()) {
      for (const field of Object.keys(row ?? {})) if (!keyNames.includes(field)) fields.add(field)
    }
    const column = (field: string) => comparedColumn(this.#sink.columns[field] ?? field, this.#description)
    const [keys, values] = [keyNames.map(column), [...fields].map(column)]
    this.#comparison = new MergeComparison({ table: this.table, sink: 'upsert', keys, values })
    const unknown = new Set<string>()
    for (const [text, { keys: key, row }] of this.#latest) {
      if (this.#contested.has(text)) this.#comparison.ignore(key)
      else if (row) {
        const cells = [...fields].map((field, i) => {
          if (Object.hasOwn(row, field)) return row[field] ?? null
          const name = values[i]?.name ?? field
          if (!this.#description.columns.find((found) => found.name === name)?.hasDefault) return null
          unknown.add(name)
          return UNKNOWN
        })
        this.#comparison.expect(key, cells)
      }
    }
    for (const name of unknown) this.#notes.push(`${name} where a record does not have it`)
    if (this.#contested.size > 0)
      this.#notes.push(`${this.#contested.size} keys that are in several partitions`)
    this.#latest.clear()
    return [...keys, ...values].map(({ name }) => name)
  }

  row(texts: readonly (string | null)[]): void {
    this.#comparison?.actual(texts)
  }

  endPass(): boolean {
    return false
  }

  report() {
    invariant(this.#comparison, 'a table is reported once its passes are over')
    const report = this.#comparison.finish()
    return { ...report, notCompared: [...report.notCompared, ...this.#notes] }
  }
}
