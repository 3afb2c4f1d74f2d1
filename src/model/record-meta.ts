/** What every function of a job is told about the record at hand, beside its value. */
export interface RecordMeta {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** Record timestamp (producer's or log-append time, as the topic says), milliseconds since 1970. */
  readonly timestampMs: number
  /** Raw key bytes, or null. */
  readonly key: Uint8Array | null
  /** Headers by name; where a name occurs several times the last one counts. */
  readonly headers: ReadonlyMap<string, Uint8Array | null>
}
