/*
 * A field says what a value is, in words that no engine owns: `fields({ ... })` reads such values from records, and
 * `createTable: { ... }` makes columns that hold them.
 */

export type FieldKind =
  /** Unicode text. */
  | 'text'
  /** A signed integer of 64 bits. */
  | 'integer'
  /** An exact decimal with `scale` digits after the point. */
  | 'decimal'
  /** An IEEE 754 double. */
  | 'double'
  | 'boolean'
  /** A moment, to the millisecond. */
  | 'timestamp'
  | 'binary'
  /** A JSON object or array. */
  | 'document'

declare const value: unique symbol

/** One named value of type `T`. Frozen. */
export interface Field<out T> {
  readonly kind: FieldKind
  /** Whether the value may be missing or null. */
  readonly optional: boolean
  /** Names from the record's outermost object inwards; null where the field's own name is the path. */
  readonly path: readonly string[] | null
  /** Most characters (Unicode code points) of a text; null for any number. */
  readonly maxLength: number | null
  /** Digits after the point of a decimal; null for every other kind. */
  readonly scale: number | null
  /** Most digits of a decimal before and after the point together; null where nothing was said. */
  readonly precision: number | null
  /** There for its type only. */
  readonly [value]?: () => T
}

/** The type of a field's values. */
export type ValueOf<F> = F extends Field<infer T> ? T : never
