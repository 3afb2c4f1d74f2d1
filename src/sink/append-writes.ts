import type { PartialResult, RowOrigin } from '../aggregation/partial-result.ts'
import type { AppendTextWrite, AppendWrite } from '../database/dialect.ts'
import { invariant, OncesinkError } from '../errors.ts'
import type { ColumnValue } from '../model/values.ts'
import type { AppendPlan, MetaField } from './sink-plan.ts'

type Row = Readonly<Record<string, ColumnValue | undefined>>

interface Layout {
  /** Own fields of its rows, in the order in which the first of them has them. */
  readonly fields: readonly string[]
  readonly columns: readonly string[]
  readonly rows: ColumnValue[][]
}

const metaValues: Readonly<Record<MetaField, (origin: RowOrigin) => ColumnValue>> = {
  topic: ({ topic }) => known(topic),
  partition: ({ partition }) => known(partition),
  offset: ({ offset }) => known(offset),
  timestamp: ({ timestampMs }) => new Date(known(timestampMs)),
  key: (origin) => origin.key ?? null,
  headers: (origin) => origin.headers ?? null,
}

function known<T>(coordinate: T | undefined): T {
  invariant(coordinate !== undefined, 'a coordinate that is written is kept')
  return coordinate
}

/** Rows that are text already as the one write that they are: all have the same fields. */
export function appendTextWrite(
  sink: AppendPlan,
  { fields, metas, text }: Extract<PartialResult, { kind: 'row text' }>,
): AppendTextWrite {
  const metaColumns = metas.map((field) => sink.meta[field] ?? field)
  return { table: sink.table, columns: newLayout(sink, fields, metaColumns).columns, text }
}

/**
 * One write per set of fields that the rows have. A column that a row lacks is thereby left to its default, whatever
 * other rows happen to be in the batch: how a log is cut into batches must not show in the table.
 */
export function appendWrites(
  sink: AppendPlan,
  { rows, metas }: Extract<PartialResult, { kind: 'rows' }>,
): AppendWrite[] {
  const metaFields = Object.keys(sink.meta) as MetaField[]
  const metaColumns = metaFields.map((field) => sink.meta[field] ?? field)
  const layouts = new Map<string, Layout>()
  let last: Layout | null = null
  for (const [i, value] of rows.entries()) {
    const row = value as Row
    const fields = Object.keys(row)
    // Rows of one shape tend to follow each other.
    if (!last || !sameFields(last.fields, fields)) {
      const id = JSON.stringify(fields.toSorted())
      last = layouts.get(id) ?? newLayout(sink, fields, metaColumns)
      layouts.set(id, last)
    }
    const values = last.fields.map((field) => row[field] ?? null)
    if (metaFields.length > 0) {
      const origin = metas?.[i]
      invariant(origin, 'a row whose record coordinates are written has them')
      for (const field of metaFields) values.push(metaValues[field](origin))
    }
    last.rows.push(values)
  }
  return [...layouts.values()].map(({ columns, rows }) => ({ table: sink.table, columns, rows }))
}

function newLayout(sink: AppendPlan, fields: readonly string[], metaColumns: readonly string[]): Layout {
  const columns = [...fields.map((field) => sink.columns[field] ?? field), ...metaColumns]
  const shared = columns.find((column, i) => columns.indexOf(column) !== i)
  if (shared === undefined) return { fields, columns, rows: [] }
  throw new OncesinkError(
    'JOB_FUNCTION_FAILED',
    `append: two fields of a row of ${fields.join(', ')} would be written to column '${shared}' of ${sink.table}. ` +
      'Leave one of them out with map(), or rename it with columns or meta.',
  )
}

function sameFields(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((field, i) => field === b[i])
}
