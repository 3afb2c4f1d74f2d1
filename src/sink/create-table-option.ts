import type { Field } from '../fields/field.ts'
import type { JsonArray, JsonObject } from '../model/json-value.ts'
import type { KeyValue } from '../model/values.ts'

/** The field whose column holds values of type `T`; `optional(...)` where they may be null. */
export type FieldFor<T> = [T] extends [never] ? Field<unknown> : Field<Declared<T>>

/** What a column of JSON holds, its type does not say: any `document()` does for an object or array. */
type Declared<T> = T extends number | bigint
  ? number
  : T extends Date | Uint8Array
    ? T
    : T extends object
      ? T | JsonObject | JsonArray
      : T

/** Every key is declared; an aggregate only where its type does not follow from it. */
export type TableOfMerge<Row, Keys extends string> = {
  readonly [P in keyof Row as P extends Keys ? P : never]-?: FieldFor<Row[P]>
} & { readonly [P in keyof Row as P extends Keys ? never : P]?: Field<unknown> }

/** Every field of a row is declared. */
export type TableOfRows<Row> = { readonly [P in keyof Row]-?: FieldFor<Exclude<Row[P], undefined> | null> }

/** Every field of a row is declared, and every key that is made of meta data. */
export type TableOfUpsert<Row, Names extends string> = TableOfRows<Row> & {
  readonly [P in Exclude<Names, keyof Row>]: Field<KeyValue>
}
