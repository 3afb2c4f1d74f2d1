import type { AggregateFunction } from '../aggregation/aggregate-function.ts'
import { type FieldAccess, shortCutsOf } from '../decode/short-cuts.ts'
import type { Field } from '../fields/field.ts'
import type { PipelinePlan, RootPlan, Terminal } from '../pipeline/plan.ts'
import { plainRead } from './plain-read.ts'

/** A pipeline whose groups can be added up from the bytes of its records. */
export interface ColumnPlan {
  readonly access: FieldAccess
  readonly keySlots: readonly number[]
  /** One per aggregate; null counts records. */
  readonly terms: readonly (TermPlan | null)[]
  /** Fields whose values are numbers of terms. */
  readonly numbers: readonly NumberPlan[]
  /** Fields that are neither a key nor a term: they are read of every record, because they may fail it. */
  readonly others: readonly number[]
}

export interface TermPlan {
  /** Index in {@link ColumnPlan.numbers}. */
  readonly number: number
  /** Digits after the point of what is added up. */
  readonly scale: number
}

export interface NumberPlan {
  readonly slot: number
  /** Most digits after the point that the field may have. */
  readonly scale: number
  /** Exclusive bound of the value, as an integer with `scale` digits after the point. */
  readonly bound: number
}

/** Integers of up to 15 digits: what one double, and the general way, takes for exact. */
const EXACT_BOUND = 1e15

/** With more digits after the point the bound of a field cannot be told from a double. */
const MAX_FIELD_SCALE = 14

const keyKinds: ReadonlySet<string> = new Set(['text', 'integer', 'boolean'])

/**
 * The plan of `pipelines`, where there is one: a single pipeline, of a decoder that finds fields in bytes, without steps,
 * whose keys are just fields, and whose aggregates count, or add up, just fields. Null for everything else.
 */
export function columnPlanOf(root: RootPlan, pipelines: readonly PipelinePlan[]): ColumnPlan | null {
  const [pipeline] = pipelines
  const { access } = shortCutsOf(root.decoder)
  if (!access || root.keyDecoder || pipelines.length !== 1 || !pipeline || pipeline.steps.length > 0)
    return null
  if (pipeline.terminal.kind !== 'aggregate') return null
  return planOf(access, pipeline.terminal)
}

function planOf(access: FieldAccess, terminal: Extract<Terminal, { kind: 'aggregate' }>): ColumnPlan | null {
  const slotOf = (select: unknown) => access.fields.findIndex(({ name }) => name === plainRead(select))
  const fieldOf = (slot: number) => access.fields[slot]?.field
  const keySlots = terminal.keys.map(({ select, windowMs }) => (windowMs === undefined ? slotOf(select) : -1))
  if (keySlots.some((slot) => !keyKinds.has(fieldOf(slot)?.kind ?? ''))) return null
  const numbers: NumberPlan[] = []
  const terms: (TermPlan | null)[] = []
  for (const { fn, by } of terminal.aggregates) {
    if (by !== undefined) return null
    if (fn.kind === 'count') {
      terms.push(null)
      continue
    }
    const slot = slotOf(fn.select)
    const field = fieldOf(slot)
    const number = field && isSum(fn) ? numberPlanOf(slot, field) : null
    if (number === null) return null
    const known = numbers.findIndex((other) => other.slot === slot)
    if (known === -1) numbers.push(number)
    terms.push({ number: known === -1 ? numbers.length - 1 : known, scale: fn.scale ?? 0 })
  }
  const used = new Set([...keySlots, ...numbers.map(({ slot }) => slot)])
  const others = access.fields.map((_, slot) => slot).filter((slot) => !used.has(slot))
  return { access, keySlots, terms, numbers, others }
}

/** Exact sums with integers as states. */
function isSum({ kind }: AggregateFunction): boolean {
  return kind === 'sum' || kind === 'sumDecimal'
}

function numberPlanOf(slot: number, { kind, scale, precision }: Field<unknown>): NumberPlan | null {
  if (kind !== 'integer' && kind !== 'decimal') return null
  const digits = scale ?? 0
  if (digits > MAX_FIELD_SCALE) return null
  const bound = precision === null ? EXACT_BOUND : Math.min(10 ** precision, EXACT_BOUND)
  return { slot, scale: digits, bound }
}
