import type { PlainMeta } from '../aggregation/partial-result.ts'
import { type FieldAccess, shortCutsOf } from '../decode/short-cuts.ts'
import type { FieldKind } from '../fields/field.ts'
import type { RowTextKind } from '../model/row-text.ts'
import type { PipelinePlan, RootPlan } from '../pipeline/plan.ts'

/** A pipeline whose rows can be written from the bytes of its records. */
export interface RowTextPlan {
  readonly access: FieldAccess
  /** One per slot of the scanner: the row's own fields, in their order. */
  readonly fields: readonly RowTextField[]
  /** Coordinates of the record that follow the fields. */
  readonly metas: readonly PlainMeta[]
}

export interface RowTextField {
  readonly kind: FieldKind
  /** What becomes of it. */
  readonly text: RowTextKind
  readonly optional: boolean
  /** Most characters of a text; bytes up to that number are never too many. */
  readonly maxLength: number
  /** Most digits that a number may have after the point. */
  readonly scale: number
  /** Exclusive bound of a number, as an integer with `scale` digits after the point. */
  readonly bound: number
}

const plainMetas: readonly PlainMeta[] = ['topic', 'partition', 'offset', 'timestamp']

const texts: Readonly<Partial<Record<FieldKind, RowTextKind>>> = {
  text: 'text',
  integer: 'number',
  decimal: 'number',
  double: 'number',
  boolean: 'boolean',
  timestamp: 'moment',
}

/** Integers of up to 15 digits: what one double, and the general way, takes for exact. */
const EXACT_BOUND = 1e15

/**
 * The plan of `pipelines`, where there is one: a single pipeline, of a decoder that finds fields in bytes, without steps,
 * into `append`, of fields that are text, numbers, booleans or moments, with no coordinates but topic, partition, offset
 * and timestamp. Null for everything else.
 */
export function rowTextPlanOf(root: RootPlan, pipelines: readonly PipelinePlan[]): RowTextPlan | null {
  const [pipeline] = pipelines
  const { access } = shortCutsOf(root.decoder)
  if (!access || root.keyDecoder || pipelines.length !== 1 || !pipeline || pipeline.steps.length > 0)
    return null
  const { sink, terminal } = pipeline
  if (terminal.kind !== 'rows' || sink.kind !== 'append') return null
  const metas = Object.keys(sink.meta).filter(isPlainMeta)
  if (metas.length !== Object.keys(sink.meta).length) return null
  const fields: RowTextField[] = []
  for (const { field } of access.fields) {
    const { kind, optional, maxLength, scale, precision } = field
    const text = texts[kind]
    if (text === undefined) return null
    const bound = precision === null ? EXACT_BOUND : Math.min(10 ** precision, EXACT_BOUND)
    fields.push({
      kind,
      text,
      optional,
      maxLength: maxLength ?? Number.POSITIVE_INFINITY,
      // Of a double every digit counts that a number has.
      scale: kind === 'double' ? 15 : (scale ?? 0),
      bound,
    })
  }
  return { access, fields, metas }
}

function isPlainMeta(name: string): name is PlainMeta {
  return (plainMetas as readonly string[]).includes(name)
}
