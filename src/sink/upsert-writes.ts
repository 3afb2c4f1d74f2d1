import { compareKeys } from '../aggregation/group-key.ts'
import type { LatestRow, PartialResult } from '../aggregation/partial-result.ts'
import type { UpsertWrite } from '../database/dialect.ts'
import { OncesinkError } from '../errors.ts'
import type { ColumnValue } from '../model/values.ts'
import type { UpsertPlan } from './sink-plan.ts'

/**
 * One write per set of fields that the rows have, the deletes with the first of them. Sets come in one order, and rows
 * in the order of their keys, for every writer: parallel writers then cannot deadlock.
 * @throws OncesinkError JOB_FUNCTION_FAILED where two fields of a row have one column
 */
export function upsertWrites(
  sink: UpsertPlan,
  { latest }: Extract<PartialResult, { kind: 'latest' }>,
): UpsertWrite[] {
  const sorted = [...latest.values()].sort((a, b) => compareKeys(a.keys, b.keys))
  const keyNames = new Set(sink.keys.map(({ name }) => name))
  const layouts = new Map<string, { fields: string[]; rows: ColumnValue[][] }>()
  for (const { keys, row } of sorted) {
    if (!row) continue
    const fields = Object.keys(row)
      .filter((field) => !keyNames.has(field))
      .sort()
    const id = JSON.stringify(fields)
    const layout = layouts.get(id) ?? { fields, rows: [] }
    layouts.set(id, layout)
    layout.rows.push([...keys, ...fields.map((field) => row[field] ?? null)])
  }
  const deletes = sorted.filter(({ row }: LatestRow) => row === null).map(({ keys }) => keys)
  const columnOf = (field: string) => sink.columns[field] ?? field
  const keys = sink.keys.map(({ name }) => columnOf(name))
  const ordered = [...layouts.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, layout]) => layout)
  if (ordered.length === 0 && deletes.length > 0) ordered.push({ fields: [], rows: [] })
  return ordered.map(({ fields, rows }, i) => {
    const columns = fields.map(columnOf)
    refuseSharedColumn(sink, fields, [...keys, ...columns])
    return { table: sink.table, keys, columns, rows, deletes: i === 0 ? deletes : [] }
  })
}

function refuseSharedColumn(sink: UpsertPlan, fields: readonly string[], columns: readonly string[]): void {
  const shared = columns.find((column, i) => columns.indexOf(column) !== i)
  if (shared === undefined) return
  throw new OncesinkError(
    'JOB_FUNCTION_FAILED',
    `upsert: two fields of a row of ${fields.join(', ')} would be written to column '${shared}' of ${sink.table}. ` +
      'Leave one of them out with map(), or rename it with columns.',
  )
}
