import type { PartialResult, RowOrigin } from '../aggregation/partial-result.ts'
import type { TableDescription } from '../database/dialect.ts'
import { invariant } from '../errors.ts'
import type { ColumnValue } from '../model/values.ts'
import type { AppendPlan, MetaField } from '../sink/sink-plan.ts'
import { MultisetDetail, MultisetDigest, type MultisetResult } from './append-comparison.ts'
import { NULL_TEXT } from './compare-values.ts'
import { type ComparedColumn, comparedColumn } from './compared-column.ts'
import type { TableCheck } from './table-check.ts'
import type { RowDifference } from './table-report.ts'

/** Rows that the second pass may hold. */
const MAX_DETAIL_ROWS = 500_000

type ExpectedRow = Readonly<Record<string, ColumnValue | undefined>>

/**
 * An `append` table, compared as a multiset of rows.
 *
 * Passes: `digest` -> (rows did not all have the columns of the first one) -> `digest` once more, over the columns
 * that can be compared -> (it does not balance) -> `detail`.
 * A field that a row lacks is the column's default: NULL where the column has none, else unknown, and the column is
 * left out and named.
 */
export function createAppendCheck(sink: AppendPlan, description: TableDescription): TableCheck {
  return new AppendCheck(sink, description)
}

class AppendCheck implements TableCheck {
  readonly #sink: AppendPlan
  readonly #description: TableDescription
  /** Columns of this pass, once a row has shown them. */
  #columns: readonly ComparedColumn[] | null = null
  readonly #provided = new Set<string>()
  readonly #unknown = new Set<string>()
  #digest = new MultisetDigest()
  #detail: MultisetDetail | null = null
  #result: MultisetResult | null = null

  constructor(sink: AppendPlan, description: TableDescription) {
    this.#sink = sink
    this.#description = description
  }

  get table(): string {
    return this.#sink.table
  }

  add(partial: PartialResult): void {
    invariant(partial.kind === 'rows', `append is fed by rows, not ${partial.kind}`)
    for (const [i, value] of partial.rows.entries()) {
      const row = expectedRow(this.#sink, value, partial.metas?.[i])
      const names = Object.keys(row)
      this.#columns ??= this.#compared(names)
      for (const name of names) this.#provided.add(name)
      const texts = this.#columns.map((column) => this.#expectedText(column, row))
      const target = this.#detail ?? this.#digest
      target.expect(JSON.stringify(texts))
    }
  }

  columns(): readonly string[] {
    const names = (this.#columns ?? []).map(({ name }) => name)
    // Without a column to compare, any one will do to count the table's rows.
    return names.length > 0 ? names : this.#description.columns.slice(0, 1).map(({ name }) => name)
  }

  row(texts: readonly (string | null)[]): void {
    const canonical = (this.#columns ?? []).map(({ canonical: of }, i) => {
      const text = texts[i] ?? null
      return text === null || !of ? NULL_TEXT : of.fromText(text)
    })
    const target = this.#detail ?? this.#digest
    target.actual(JSON.stringify(canonical))
  }

  endPass(): boolean {
    if (this.#detail) {
      this.#result = this.#detail.finish((row) => this.#named(row))
      return false
    }
    const wanted = [...this.#provided].filter((name) => !this.#unknown.has(name))
    if (this.#columns && !sameNames(wanted, this.#columns)) {
      this.#columns = this.#compared(wanted)
      this.#digest = new MultisetDigest()
      return true
    }
    const suspects = this.#digest.suspects(MAX_DETAIL_ROWS)
    this.#detail = new MultisetDetail(suspects)
    if (suspects.buckets.size > 0) return true
    this.#result = this.#detail.finish((row) => this.#named(row))
    return false
  }

  report() {
    invariant(this.#result, 'a table is reported once its passes are over')
    const uncomparable = (this.#columns ?? []).filter(({ canonical }) => !canonical).map(({ name }) => name)
    return {
      table: this.#sink.table,
      sink: 'append' as const,
      rowsExpected: this.#digest.rowsExpected,
      rowsActual: this.#digest.rowsActual,
      ...this.#result,
      totals: [],
      notCompared: [...this.#unknown, ...uncomparable],
    }
  }

  #compared(names: readonly string[]): ComparedColumn[] {
    return names.map((name) => comparedColumn(name, this.#description))
  }

  #expectedText({ name, canonical }: ComparedColumn, row: ExpectedRow): string {
    const value = row[name]
    if (!Object.hasOwn(row, name)) {
      const hasDefault = this.#description.columns.find((column) => column.name === name)?.hasDefault
      if (hasDefault) this.#unknown.add(name)
    }
    return value === null || value === undefined || !canonical ? NULL_TEXT : canonical.fromValue(value)
  }

  #named(row: string): RowDifference['key'] {
    const texts = JSON.parse(row) as string[]
    return Object.fromEntries(
      (this.#columns ?? []).map(({ name }, i) => [name, texts[i] === NULL_TEXT ? null : (texts[i] ?? null)]),
    )
  }
}

function sameNames(names: readonly string[], columns: readonly ComparedColumn[]): boolean {
  return names.length === columns.length && columns.every(({ name }) => names.includes(name))
}

function expectedRow(sink: AppendPlan, value: unknown, origin: RowOrigin | undefined): ExpectedRow {
  const row: Record<string, ColumnValue | undefined> = {}
  for (const [field, fieldValue] of Object.entries(value as Record<string, ColumnValue | undefined>)) {
    row[sink.columns[field] ?? field] = fieldValue
  }
  for (const [field, column] of Object.entries(sink.meta)) {
    invariant(origin, 'rows of a sink with meta columns carry their origin')
    row[column] = metaValue(field as MetaField, origin)
  }
  return row
}

function metaValue(field: MetaField, origin: RowOrigin): ColumnValue {
  if (field === 'timestamp') return new Date(origin.timestampMs ?? Number.NaN)
  return origin[field] ?? null
}
