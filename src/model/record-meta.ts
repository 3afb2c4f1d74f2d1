/** A record's key as it is in the log: its bytes, or null. */
export type RawKey = Uint8Array | null

/** What every function of a job is told about the record at hand, beside its value. */
export interface RecordMeta<out Key = RawKey> {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** Record timestamp (producer's or log-append time, as the topic says), milliseconds since 1970. */
  readonly timestampMs: number
  /** What `decode(..., { key })` makes of the key; without it the bytes themselves, or null. */
  readonly key: Key
  /** Headers by name; where a name occurs several times the last one counts. */
  readonly headers: ReadonlyMap<string, Uint8Array | null>
}
