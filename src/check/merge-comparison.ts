import type { ColumnValue } from '../model/values.ts'
import { NULL_TEXT } from './compare-values.ts'
import type { ComparedColumn } from './compared-column.ts'
import { addDecimals } from './decimal.ts'
import type { RowDifference, TableReport } from './table-report.ts'
import { BoundedList } from './violation.ts'

export interface MergeTable {
  readonly table: string
  /** `merge` unless it says otherwise. */
  readonly sink?: 'merge' | 'upsert'
  readonly keys: readonly ComparedColumn[]
  readonly values: readonly ComparedColumn[]
}

interface ExpectedRow {
  readonly values: readonly string[]
  seen: boolean
}

/**
 * Compares a table that has one row per key with what the log says, row by row. The expected rows are in memory,
 * the table's rows pass by.
 *
 * States: expect() any number of times -> actual() any number of times -> finish(), once.
 */
export class MergeComparison {
  readonly #table: MergeTable
  readonly #expected = new Map<string, ExpectedRow>()
  readonly #ignored = new Set<string>()
  readonly #differences = new BoundedList<RowDifference>()
  readonly #count: number
  readonly #totals: { index: number; expected: string; actual: string }[]
  #rowsActual = 0
  #lost = 0n
  #duplicated = 0n

  constructor(table: MergeTable) {
    this.#table = table
    this.#count = table.values.findIndex((column) => column.role === 'count' && column.canonical)
    this.#totals = table.values.flatMap((column, index) =>
      column.role !== 'other' && column.canonical && !column.tolerance
        ? [{ index, expected: '0', actual: '0' }]
        : [],
    )
  }

  /** Takes whatever the table has for this key, or that it has nothing. */
  ignore(keys: readonly ColumnValue[]): void {
    this.#ignored.add(this.#keyOf(keys))
  }

  #keyOf(keys: readonly ColumnValue[]): string {
    return JSON.stringify(this.#table.keys.map((column, i) => valueText(column, keys[i] ?? null)))
  }

  /** One row that the log asks for; keys are unique. */
  expect(keys: readonly ColumnValue[], values: readonly ExpectedValue[]): void {
    const valueTexts = this.#table.values.map((column, i) => valueText(column, values[i] ?? null))
    this.#expected.set(this.#keyOf(keys), { values: valueTexts, seen: false })
    for (const total of this.#totals) {
      total.expected = addDecimals(total.expected, valueTexts[total.index] ?? '0')
    }
  }

  /** One row of the table: texts of the key columns, then of the value columns. */
  actual(row: readonly (string | null)[]): void {
    const { keys, values } = this.#table
    const keyTexts = keys.map((column, i) => columnText(column, row[i] ?? null))
    const actual = values.map((column, i) => columnText(column, row[keys.length + i] ?? null))
    this.#rowsActual += 1
    for (const total of this.#totals) total.actual = addDecimals(total.actual, actual[total.index] ?? '0')

    const key = JSON.stringify(keyTexts)
    if (this.#ignored.has(key)) return
    const expected = this.#expected.get(key)
    if (!expected || expected.seen) {
      this.#add(expected ? 'row-repeated' : 'row-unexpected', keyTexts, null, actual)
      return
    }
    expected.seen = true
    if (values.some((column, i) => !equal(column, expected.values[i], actual[i]))) {
      this.#add('row-different', keyTexts, expected.values, actual)
    }
  }

  finish(): TableReport {
    for (const [key, expected] of this.#expected) {
      if (!expected.seen) this.#add('row-missing', JSON.parse(key) as string[], expected.values, null)
    }
    const counted = this.#count >= 0
    const columns = [...this.#table.keys, ...this.#table.values]
    return {
      table: this.#table.table,
      sink: this.#table.sink ?? 'merge',
      rowsExpected: this.#expected.size,
      rowsActual: this.#rowsActual,
      differences: this.#differences,
      lost: counted ? this.#lost : null,
      duplicated: counted ? this.#duplicated : null,
      totals: this.#totals.map(({ index, expected, actual }) => ({
        column: this.#table.values[index]?.name ?? '',
        expected,
        actual,
      })),
      notCompared: columns.filter((column) => !column.canonical).map((column) => column.name),
    }
  }

  #add(
    kind: RowDifference['class'],
    keys: readonly string[],
    expected: readonly string[] | null,
    actual: readonly string[] | null,
  ): void {
    const difference = countOf(actual?.[this.#count]) - countOf(expected?.[this.#count])
    if (difference < 0n) this.#lost -= difference
    else this.#duplicated += difference
    this.#differences.add({
      class: kind,
      key: named(this.#table.keys, keys) ?? {},
      expected: named(this.#table.values, expected),
      actual: named(this.#table.values, actual),
    })
  }
}

const NOT_COMPARED = '\0not compared'

/** What a column holds for which the log has no value: any value will do. */
export const UNKNOWN = Symbol('unknown')

export type ExpectedValue = ColumnValue | typeof UNKNOWN

function valueText({ canonical }: ComparedColumn, value: ExpectedValue): string {
  if (!canonical || value === UNKNOWN) return NOT_COMPARED
  return value === null ? NULL_TEXT : canonical.fromValue(value)
}

function columnText({ canonical }: ComparedColumn, text: string | null): string {
  if (!canonical) return NOT_COMPARED
  return text === null ? NULL_TEXT : canonical.fromText(text)
}

function equal(column: ComparedColumn, expected: string | undefined, actual: string | undefined): boolean {
  if (expected === actual || expected === NOT_COMPARED) return true
  if (column.tolerance === undefined) return false
  const [a, b] = [Number(expected), Number(actual)]
  // No finite value is near an infinite one, though the formula would say so.
  if (!Number.isFinite(a) || !Number.isFinite(b)) return false
  return Math.abs(a - b) <= column.tolerance * Math.max(1, Math.abs(a), Math.abs(b))
}

/** A count's canonical text; a NULL or a broken count is no records. */
function countOf(text: string | undefined): bigint {
  return text !== undefined && /^-?\d+$/.test(text) ? BigInt(text) : 0n
}

function named(
  columns: readonly ComparedColumn[],
  texts: readonly string[] | null,
): Record<string, string | null> | null {
  if (!texts) return null
  return Object.fromEntries(
    columns.map((column, i) => {
      const text = texts[i] ?? NULL_TEXT
      return [column.name, text === NULL_TEXT ? null : text === NOT_COMPARED ? '(not compared)' : text]
    }),
  )
}
