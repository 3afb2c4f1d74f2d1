/** What a group key may be. Null and undefined are rejected: unique indexes treat NULLs as distinct. */
export type KeyValue = string | number | bigint | boolean | Date

/** A value on its way into one column. Decimals travel as exact strings. */
export type ColumnValue = KeyValue | Uint8Array | JsonText | null

/** A JSON object or array on its way into a column of JSON. */
export interface JsonText {
  /** Canonical: names are sorted, and there are no spaces. */
  readonly json: string
}
