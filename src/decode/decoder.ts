import type { RecordMeta } from '../model/record-meta.ts'

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
}
