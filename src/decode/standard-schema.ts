/*
 * The interface of Standard Schema, version 1 (https://standardschema.dev), by which Zod, Valibot, ArkType and others
 * can be used alike. Only what is needed here is written down; any schema of the specification has it.
 */

export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    /** Name of the library. */
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    /** There for its type only. */
    readonly types?: { readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  /** From the outermost value inwards. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Schemas of some libraries are functions with properties. */
export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard = (value as { '~standard'?: { version?: unknown; validate?: unknown } | null })['~standard']
  return standard?.version === 1 && typeof standard.validate === 'function'
}
