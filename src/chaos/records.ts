import { OncesinkError } from '../errors.ts'
import type { Field } from '../fields/field.ts'
import type { Job } from '../job/job.ts'
import type { ChaosRandom, ChaosRecord, ChaosSpec } from './spec.ts'

/** Where the times of records begin, in milliseconds since 1970: 2026-01-01. */
const EPOCH_MS = Date.UTC(2026, 0, 1)
/** Different texts and integers of a field: few enough that keys meet again and again. */
const DISTINCT = 40
/** From one record to the next, in milliseconds of event time. */
const STEP_MS = 25

/** What makes the records of a run. */
export interface RecordSource {
  record(n: number, random: ChaosRandom): ChaosRecord
  poison(n: number, random: ChaosRandom): ChaosRecord
  /** Where the records come from, for people. */
  readonly origin: string
}

/** @throws OncesinkError CONFIGURATION_INVALID where nobody says what the job's records look like */
export function recordSource(job: Job, spec: ChaosSpec, specFile: string): RecordSource {
  const poison = spec.poison ?? ((n) => ({ value: `{"poison": ${n},` }))
  if (spec.records) return { record: spec.records, poison, origin: 'the chaos spec' }
  const declared = declaredFields(job)
  if (declared === null) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `job '${job.name}' needs records, and its decoder '${job.root.decoder.name}' does not tell what they look like (fields({ ... }) does). ` +
        `Write ${specFile}:\n` +
        '  export default {\n' +
        '    records: (n, random) => ({ value: { item: "tea", amount: random.integer(1, 100) } }),\n' +
        '  }',
    )
  }
  return {
    record: (n, random) => ({ value: jsonOf(declared, n, random) }),
    poison,
    origin: 'the fields that the job decodes',
  }
}

function declaredFields(job: Job): Readonly<Record<string, Field<unknown>>> | null {
  const { decoder } = job.root
  return 'fields' in decoder ? (decoder.fields as Readonly<Record<string, Field<unknown>>>) : null
}

/** An object in which every field is what it is declared to be. */
export function jsonOf(
  fields: Readonly<Record<string, Field<unknown>>>,
  n: number,
  random: ChaosRandom,
): Record<string, unknown> {
  const record: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    const path = field.path ?? [name]
    const missing = field.optional && random.integer(0, 9) === 0
    put(record, path, missing ? null : fieldValue(field, n, random))
  }
  return record
}

function fieldValue(field: Field<unknown>, n: number, random: ChaosRandom): unknown {
  switch (field.kind) {
    case 'text':
      return `v${random.integer(1, DISTINCT)}`.slice(0, field.maxLength ?? undefined)
    case 'integer':
      return random.integer(1, DISTINCT)
    case 'decimal': {
      const scale = field.scale ?? 0
      const digits = Math.min(field.precision ?? 6, scale + 4, 12)
      const whole = String(random.integer(1, 10 ** Math.max(1, digits) - 1)).padStart(scale + 1, '0')
      return scale === 0 ? Number(whole) : Number(`${whole.slice(0, -scale)}.${whole.slice(-scale)}`)
    }
    case 'double':
      return random.integer(1, 10_000) / 16
    case 'boolean':
      return random.integer(0, 1) === 1
    case 'timestamp':
      return new Date(EPOCH_MS + n * STEP_MS).toISOString()
    case 'binary':
      return Buffer.from(`b${random.integer(1, DISTINCT)}`).toString('base64')
    case 'document':
      return { n, tag: `t${random.integer(1, DISTINCT)}` }
  }
}

function put(record: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = record
  for (const name of path.slice(0, -1)) {
    const inner = (at[name] ?? {}) as Record<string, unknown>
    at[name] = inner
    at = inner
  }
  at[path.at(-1) ?? ''] = value
}

/** How a value is sent. */
export function asBytes(value: unknown): Buffer | string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value)
  return JSON.stringify(value)
}
