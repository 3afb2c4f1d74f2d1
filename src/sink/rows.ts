import { compareKeys } from '../aggregation/group-key.ts'
import type { Group, PartialResult } from '../aggregation/partial-result.ts'
import { asError, invariant, OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import type { ColumnValue } from '../model/values.ts'
import type { PipelinePlan, Terminal } from '../pipeline/plan.ts'

type AggregateTerminal = Extract<Terminal, { kind: 'aggregate' }>

/**
 * Key values and results of every group, sorted by key.
 * @throws OncesinkError JOB_FUNCTION_FAILED when a result does not fit its column
 */
export function sortedRows(terminal: AggregateTerminal, groups: ReadonlyMap<string, Group>): ColumnValue[][] {
  return [...groups.values()]
    .sort((a, b) => compareKeys(a.keys, b.keys))
    .map((group) => [...group.keys, ...resultsOf(terminal, group)])
}

function resultsOf({ keys, aggregates }: AggregateTerminal, group: Group): ColumnValue[] {
  return aggregates.map(({ name, fn }, i) => {
    try {
      return fn.result(group.states[i])
    } catch (error) {
      const key = keys.map((plan, k) => `${plan.name} = ${describeValue(group.keys[k])}`).join(', ')
      throw new OncesinkError(
        'JOB_FUNCTION_FAILED',
        `aggregate '${name}' of the group with ${key} has no result: ${asError(error).message}.`,
        { cause: error, ofBatch: true },
      )
    }
  })
}

/** What `write` is given: after an aggregate an object per group, sorted by key, else the values themselves. */
export function rowValues(terminal: Terminal, collected: PartialResult): readonly unknown[] {
  if (collected.kind === 'rows') return collected.rows
  invariant(terminal.kind === 'aggregate' && collected.kind === 'groups', 'rows are made of rows or groups')
  const names = [...terminal.keys, ...terminal.aggregates].map(({ name }) => name)
  return sortedRows(terminal, collected.groups).map((row) =>
    Object.fromEntries(names.map((name, i) => [name, row[i]])),
  )
}

/** Sorted by key. A row that is to go has its key only, and the others come first: they have all columns. */
function latestObjects({
  names,
  latest,
}: Extract<PartialResult, { kind: 'latest' }>): Record<string, unknown>[] {
  const sorted = [...latest.values()].sort(
    (a, b) => Number(a.row === null) - Number(b.row === null) || compareKeys(a.keys, b.keys),
  )
  return sorted.map(({ keys, row }) => ({
    '(does)': row ? 'upsert' : 'delete',
    ...Object.fromEntries(names.map((name, i) => [name, keys[i]])),
    ...row,
  }))
}

/** Rows to look at: a value that is no object is shown as the field `value`. A reduced result has none. */
export function rowObjects(
  { terminal }: PipelinePlan,
  collected: PartialResult,
): readonly Readonly<Record<string, unknown>>[] {
  if (collected.kind === 'reduced') return []
  if (collected.kind === 'latest') return latestObjects(collected)
  return rowValues(terminal, collected).map((row) =>
    typeof row === 'object' && row !== null ? (row as Record<string, unknown>) : { value: row },
  )
}
