import type { Field } from '../fields/field.ts'

/** The field whose column holds values of type `T`; `optional(...)` where they may be null. */
export type FieldFor<T> = [T] extends [never] ? Field<unknown> : Field<T extends number | bigint ? number : T>

/** Every key is declared; an aggregate only where its type does not follow from it. */
export type TableOfMerge<Row, Keys extends string> = {
  readonly [P in keyof Row as P extends Keys ? P : never]-?: FieldFor<Row[P]>
} & { readonly [P in keyof Row as P extends Keys ? never : P]?: Field<unknown> }

/** Every field of a row is declared. */
export type TableOfRows<Row> = { readonly [P in keyof Row]-?: FieldFor<Exclude<Row[P], undefined> | null> }
