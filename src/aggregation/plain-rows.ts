import { rowTextValues } from '../model/row-text.ts'
import type { ColumnValue } from '../model/values.ts'
import type { PartialResult, PlainMeta, RowOrigin } from './partial-result.ts'

type Kind<K extends PartialResult['kind']> = Extract<PartialResult, { kind: K }>

/** Rows that are text as the objects that they were made of. */
export function plainRows({ fields, metas, text }: Kind<'row text'>): Kind<'rows'> {
  const rows: unknown[] = []
  const origins: RowOrigin[] = []
  for (const values of rowTextValues(text)) {
    rows.push(Object.fromEntries(fields.map((field, i) => [field, values[i]])))
    origins.push(originOf(metas, values.slice(fields.length)))
  }
  return { kind: 'rows', rows, metas: metas.length === 0 ? null : origins }
}

function originOf(metas: readonly PlainMeta[], values: readonly (ColumnValue | undefined)[]): RowOrigin {
  const origin: Record<string, unknown> = {}
  for (const [i, meta] of metas.entries()) {
    const value = values[i]
    switch (meta) {
      case 'timestamp':
        origin.timestampMs = (value as Date).getTime()
        break
      case 'partition':
        origin.partition = Number(value)
        break
      default:
        origin[meta] = value
    }
  }
  return origin
}
