import type { AggregateFunction } from '../aggregation/aggregate-function.ts'
import { shortCutsOf, type ValueAccess } from '../decode/short-cuts.ts'
import type { Field } from '../fields/field.ts'
import type { PipelinePlan, RootPlan, Terminal } from '../pipeline/plan.ts'
import { plainRead } from './plain-read.ts'

/** A pipeline whose groups can be added up from the bytes of its records. */
export interface ColumnPlan {
  readonly access: ValueAccess
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
  /** Most digits after the point that the value may have. */
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
 * The plan of `pipelines`, where there is one: a single pipeline, of a decoder that finds values in bytes, without steps,
 * whose keys are just fields, and whose aggregates count, or add up, just fields. Null for everything else.
 */
export function columnPlanOf(root: RootPlan, pipelines: readonly PipelinePlan[]): ColumnPlan | null {
  const [pipeline] = pipelines
  if (root.keyDecoder || pipelines.length !== 1 || !pipeline || pipeline.steps.length > 0) return null
  const { terminal } = pipeline
  if (terminal.kind !== 'aggregate') return null
  const { access, accessTo } = shortCutsOf(root.decoder)
  if (access) return planOf(access, access.fields, terminal)
  const names = accessTo ? namesRead(terminal) : null
  if (!accessTo || !names) return null
  return planOf(
    accessTo(names),
    names.map((name) => ({ name, field: null })),
    terminal,
  )
}

type AggregateTerminal = Extract<Terminal, { kind: 'aggregate' }>

/** What is found in bytes: a declared field, or whatever a record has under this name. */
interface Found {
  readonly name: string
  readonly field: Field<unknown> | null
}

/** What the functions of `terminal` read; null where one does more than that, or where there is nothing to read. */
function namesRead({ keys, aggregates }: AggregateTerminal): string[] | null {
  const selects = [
    ...keys.map(({ select }) => select),
    ...aggregates.flatMap(({ fn }) => (fn.kind === 'count' ? [] : [fn.select])),
  ]
  const names = new Set<string>()
  for (const select of selects) {
    const name = plainRead(select)
    if (name === null) return null
    names.add(name)
  }
  return names.size === 0 ? null : [...names]
}

function planOf(
  access: ValueAccess,
  found: readonly Found[],
  terminal: AggregateTerminal,
): ColumnPlan | null {
  const slotOf = (select: unknown) => found.findIndex(({ name }) => name === plainRead(select))
  const keySlots = terminal.keys.map(({ select, windowMs }) => (windowMs === undefined ? slotOf(select) : -1))
  if (keySlots.some((slot) => !isKey(found[slot]))) return null
  const numbers: NumberPlan[] = []
  const terms: (TermPlan | null)[] = []
  for (const { fn, by } of terminal.aggregates) {
    if (by !== undefined) return null
    if (fn.kind === 'count') {
      terms.push(null)
      continue
    }
    const slot = slotOf(fn.select)
    const number = isSum(fn) ? numberPlanOf(slot, found[slot]) : null
    if (number === null) return null
    const known = numbers.findIndex((other) => other.slot === slot)
    if (known === -1) numbers.push(number)
    terms.push({ number: known === -1 ? numbers.length - 1 : known, scale: fn.scale ?? 0 })
  }
  const used = new Set([...keySlots, ...numbers.map(({ slot }) => slot)])
  const others = found.map((_, slot) => slot).filter((slot) => !used.has(slot))
  return { access, keySlots, terms, numbers, others }
}

function isKey(found: Found | undefined): boolean {
  return found !== undefined && (found.field === null || keyKinds.has(found.field.kind))
}

/** Exact sums with integers as states. */
function isSum({ kind }: AggregateFunction): boolean {
  return kind === 'sum' || kind === 'sumDecimal'
}

function numberPlanOf(slot: number, found: Found | undefined): NumberPlan | null {
  if (!found) return null
  // What is no number, or has too many digits, shows in the record: it goes the general way.
  if (found.field === null) return { slot, scale: MAX_FIELD_SCALE, bound: Number.POSITIVE_INFINITY }
  const { kind, scale, precision } = found.field
  if (kind !== 'integer' && kind !== 'decimal') return null
  const digits = scale ?? 0
  if (digits > MAX_FIELD_SCALE) return null
  const bound = precision === null ? EXACT_BOUND : Math.min(10 ** precision, EXACT_BOUND)
  return { slot, scale: digits, bound }
}
