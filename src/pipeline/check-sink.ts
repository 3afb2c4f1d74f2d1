import { OncesinkError } from '../errors.ts'
import type { SinkPlan } from '../sink/sink-plan.ts'
import type { Terminal } from './plan.ts'

const sinksAfter: Readonly<Record<Terminal['kind'], readonly SinkPlan['kind'][]>> = {
  rows: ['append', 'upsert', 'write'],
  aggregate: ['merge', 'write'],
  reduce: ['writeResult'],
}

/**
 * The plan of a sink that fits what comes into it.
 * @throws OncesinkError CONFIGURATION_INVALID when the types would have refused it, or two fields share a column
 */
export function checkSink(terminal: Terminal, sink: { readonly plan: unknown } | null | undefined): SinkPlan {
  const plan = sink?.plan as SinkPlan | undefined
  const fitting = sinksAfter[terminal.kind]
  if (!plan || !fitting.includes(plan.kind)) {
    const got = plan ? `${plan.kind}()` : 'something else'
    const after = terminal.kind === 'rows' ? 'values' : terminal.kind
    throw invalid(
      `into() takes ${fitting.map((kind) => `${kind}()`).join(' or ')} after ${after}, but got ${got}.`,
    )
  }
  if (plan.kind === 'merge' && terminal.kind === 'aggregate') {
    const fields = [...terminal.keys, ...terminal.aggregates].map(({ name }) => name)
    const unknown = Object.keys(plan.columns).find((field) => !fields.includes(field))
    if (unknown !== undefined) {
      throw invalid(`merge(): 'columns' names '${unknown}', but the row has ${fields.join(', ')}.`)
    }
    refuseSharedColumns(
      'merge',
      fields.map((field) => plan.columns[field] ?? field),
    )
  }
  if (plan.kind === 'upsert') {
    const keys = plan.keys.map(({ name }) => plan.columns[name] ?? name)
    const fields = Object.entries(plan.columns).filter(
      ([field]) => !plan.keys.some(({ name }) => name === field),
    )
    refuseSharedColumns('upsert', [...keys, ...fields.map(([, column]) => column)])
  }
  if (plan.kind === 'append') {
    refuseSharedColumns('append', [...Object.values(plan.columns), ...Object.values(plan.meta)])
  }
  return plan
}

function refuseSharedColumns(factory: string, columns: readonly string[]): void {
  const shared = columns.find((column, i) => columns.indexOf(column) !== i)
  if (shared !== undefined) throw invalid(`${factory}(): two fields would be written to column '${shared}'.`)
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', message)
}
