import type { Field } from '../fields/field.ts'
import type { Decoder } from './decoder.ts'
import type { RecordScanner } from './scan/record-scanner.ts'
import type { ScannedFields, ValueColumns } from './scan/scanned-fields.ts'

/*
 * Ways from bytes to values that are faster than a decoder's `decode`, and come to the same. They belong to that very
 * function: a decoder that is made of another one (`{ ...json(), decode: ... }`) has a `decode` of its own, and none of
 * these.
 */

export interface ShortCuts<T> {
  /**
   * Decodes the values of records `[begin, end)` of a segment at once.
   * @returns null where they must be decoded one by one, because one of them fails, perhaps
   */
  readonly decodeBlock?:
    | ((segment: ValueColumns, begin: number, end: number) => DecodedBlock<T> | null)
    | undefined
  /** Where fields can be found without making values of them. */
  readonly access?: FieldAccess | undefined
  /** The same for a decoder that declares none: of the objects that it gives, the properties with these names. */
  readonly accessTo?: ((names: readonly string[]) => ValueAccess) | undefined
}

export interface DecodedBlock<T> {
  /** The value of the record `i` after the first one is `values[i * step]`. */
  readonly values: readonly T[]
  readonly step: number
}

/** Some values of a record where they lie. What the scanner does not understand, `decode` does. */
export interface ValueAccess {
  readonly scanner: RecordScanner
  /** The value in `slot`, of a record that was scanned; undefined where only `decode` can say what it is. */
  read(found: ScannedFields, slot: number): unknown
}

/** The declared fields of a record. */
export interface FieldAccess extends ValueAccess {
  /** What `decode` does without looking for fields in bytes. */
  readonly parse: Decoder<unknown>['decode']
  /** What is declared, by slot of the scanner. */
  readonly fields: readonly { readonly name: string; readonly field: Field<unknown> }[]
}

const known = new WeakMap<Decoder<unknown>['decode'], ShortCuts<unknown>>()

/** `decoder`, whose `decode` has these short cuts from now on. */
export function withShortCuts<T, D extends Decoder<T>>(decoder: D, shortCuts: ShortCuts<T>): D {
  known.set(decoder.decode, shortCuts)
  return decoder
}

/** None where `decode` is the job's own. */
export function shortCutsOf<T>({ decode }: Decoder<T>): ShortCuts<T> {
  return (known.get(decode) ?? {}) as ShortCuts<T>
}
