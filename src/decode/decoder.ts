import type { Field } from '../fields/field.ts'
import type { RecordMeta } from '../model/record-meta.ts'
import type { ScannedFields } from './scan/scanned-fields.ts'

/**
 * Turns a record's value bytes into the job's value. Pure and synchronous.
 *
 * A decoder that throws fails the record: the job stops with the record's topic, partition and offset.
 */
export interface Decoder<T> {
  /** Short name for messages and the shape, for example `json`. */
  readonly name: string
  /**
   * Decodes `buffer[start, end)`; `end === -1` means that the value is null (a tombstone).
   * Positions instead of a slice, so that a record costs no Buffer object of its own.
   */
  decode(buffer: Buffer, start: number, end: number, meta: RecordMeta): T
  /**
   * Decodes the values of records `[begin, end)` of a segment at once, where that is faster; for oncesink's own use.
   * @returns null where they must be decoded one by one, because one of them fails, perhaps
   */
  readonly decodeBlock?: (segment: ValueColumns, begin: number, end: number) => DecodedBlock<T> | null
  /** Where the decoder can find fields without making values of them; for oncesink's own use. */
  readonly access?: FieldAccess
}

/** Where the values of a segment are: see RecordSegment. */
export interface ValueColumns {
  readonly buffer: Buffer
  readonly valueStart: Int32Array
  readonly valueEnd: Int32Array
}

export interface DecodedBlock<T> {
  /** The value of the record `i` after the first one is `values[i * step]`. */
  readonly values: readonly T[]
  readonly step: number
}

/** The fields of a record where they lie. What the scanner does not understand, `decode` does. */
export interface FieldAccess {
  readonly scanner: ScannedFields & { scan(buffer: Buffer, start: number, end: number): boolean }
  /** The value of the field in `slot`, of the record that was scanned; undefined where only `decode` can say what it is. */
  read(slot: number): unknown
  /** What `decode` does without looking for fields in bytes. */
  readonly parse: Decoder<unknown>['decode']
  /** What is declared, by slot of the scanner. */
  readonly fields: readonly { readonly name: string; readonly field: Field<unknown> }[]
}
