import type { MergeWrite } from '../database/dialect.ts'
import type { Terminal } from '../pipeline/plan.ts'
import type { MergePlan } from './sink-plan.ts'

/** Columns of a merge in the order of its rows: keys, then aggregates. */
export function mergeColumns(
  terminal: Extract<Terminal, { kind: 'aggregate' }>,
  sink: MergePlan,
): Pick<MergeWrite, 'keys' | 'aggregates'> {
  const columnOf = (field: string) => sink.columns[field] ?? field
  return {
    keys: terminal.keys.map(({ name }) => columnOf(name)),
    aggregates: terminal.aggregates.map(({ name, fn, by }) => ({
      column: columnOf(name),
      rule: fn.mergeRule,
      ...(by === undefined ? {} : { by: columnOf(by) }),
    })),
  }
}
