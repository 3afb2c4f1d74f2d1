import type { FieldKind } from '../fields/field.ts'

/** A table that a sink declares, in words that no engine owns. */
export interface TableDeclaration {
  /** `orders` or `sales.orders`. */
  readonly table: string
  readonly columns: readonly ColumnDeclaration[]
  /** Columns of the primary key, in the order of the job's keys; none where rows have no key. */
  readonly primaryKey: readonly string[]
}

export interface ColumnDeclaration {
  readonly name: string
  readonly kind: FieldKind
  readonly nullable: boolean
  /** Most characters of a text; null for any number. */
  readonly maxLength: number | null
  /** Digits after the point of a decimal. */
  readonly scale: number | null
  /** Digits of a decimal in all; null for as many as every engine holds. */
  readonly precision: number | null
}

/** Most digits of a decimal that every engine holds. */
export const MAX_PRECISION = 65
