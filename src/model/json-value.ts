/** What a JSON text can say. */
export type JsonValue = string | number | boolean | null | JsonObject | JsonArray

export interface JsonObject {
  readonly [name: string]: JsonValue
}

export type JsonArray = readonly JsonValue[]
