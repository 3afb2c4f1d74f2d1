import type { Group, PartialResult } from '../aggregation/partial-result.ts'
import type { TableDescription } from '../database/dialect.ts'
import { invariant } from '../errors.ts'
import type { AggregatePlan, Terminal } from '../pipeline/plan.ts'
import type { MergePlan } from '../sink/sink-plan.ts'
import { type ComparedColumn, comparedColumn } from './compared-column.ts'
import { MergeComparison } from './merge-comparison.ts'
import type { TableCheck } from './table-check.ts'

type AggregateTerminal = Extract<Terminal, { kind: 'aggregate' }>

/** How far sums of doubles may differ, relative to their size: their last bits depend on the order of adding. */
const DOUBLE_TOLERANCE = 1e-9

/**
 * A `merge` table: all groups of the log are recomputed in memory, then the table's rows pass by once.
 * Groups are folded here and not by the code that the job runs: a mistake in that one must not hide itself.
 */
export function createMergeCheck(
  terminal: AggregateTerminal,
  sink: MergePlan,
  description: TableDescription,
): TableCheck {
  const groups = new Map<string, Group>()
  const column = (name: string) => comparedColumn(sink.columns[name] ?? name, description)
  const keys = terminal.keys.map(({ name }) => column(name))
  const values = terminal.aggregates.map((aggregate) => ({
    ...column(aggregate.name),
    role: roleOf(terminal, aggregate),
    ...(aggregate.fn.kind === 'sumDouble' && { tolerance: DOUBLE_TOLERANCE }),
  }))
  const comparison = new MergeComparison({ table: sink.table, keys, values })
  const columns = [...keys, ...values].map(({ name }) => name)
  return {
    table: sink.table,
    add: (partial) => fold(groups, partial, terminal.aggregates),
    columns: () => {
      for (const group of groups.values()) {
        const results = terminal.aggregates.map(({ fn }, i) => fn.result(group.states[i]))
        comparison.expect(group.keys, results)
      }
      groups.clear()
      return columns
    },
    row: (texts) => comparison.actual(texts),
    endPass: () => false,
    report: () => comparison.finish(),
  }
}

function fold(
  groups: Map<string, Group>,
  partial: PartialResult,
  aggregates: readonly AggregatePlan[],
): void {
  invariant(partial.kind === 'groups', `an aggregate gives groups, not ${partial.kind}`)
  for (const [text, group] of partial.groups) {
    const known = groups.get(text)
    if (!known) groups.set(text, { keys: group.keys, states: [...group.states] })
    else
      for (const [i, { fn }] of aggregates.entries())
        known.states[i] = fn.merge(known.states[i], group.states[i])
  }
}

/** Where a record adds to several windows, no column counts records. */
function roleOf({ keys }: AggregateTerminal, { fn }: AggregatePlan): ComparedColumn['role'] {
  if (fn.kind === 'count' && keys.every(({ everyMs }) => everyMs === undefined)) return 'count'
  return fn.mergeRule === 'add' ? 'sum' : 'other'
}
