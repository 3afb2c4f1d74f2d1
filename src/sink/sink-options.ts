import { OncesinkError } from '../errors.ts'
import { isField } from '../fields/builders.ts'
import type { Field } from '../fields/field.ts'
import { describeValue } from '../model/excerpt.ts'
import { orMeant } from '../model/known-options.ts'
import { isPlainObject, unknownFields } from '../model/plain-object.ts'

/** Reads and checks the options of one sink factory; every complaint names the factory and the option. */
export class SinkOptions {
  readonly #factory: string
  readonly #options: Record<string, unknown>

  constructor(factory: string, options: unknown, known: readonly string[]) {
    this.#factory = factory
    if (!isPlainObject(options))
      throw this.#invalid(`needs an options object, but got ${describeValue(options)}`)
    this.#options = options
    const [unknown] = unknownFields(options, known)
    if (unknown !== undefined) {
      throw this.#invalid(
        `has no option '${unknown}': its options are ${known.join(', ')}`,
        orMeant(unknown, known, '.'),
      )
    }
  }

  name(option: string): string {
    return this.#checkName(this.#options[option], option)
  }

  /** Names by field; a missing option is no names. */
  names(option: string, fields?: readonly string[]): Readonly<Record<string, string>> {
    const value = this.#options[option] ?? {}
    if (!isPlainObject(value))
      throw this.#invalid(`'${option}' must be an object, but is ${describeValue(value)}`)
    const [unknown] = fields ? unknownFields(value, fields) : []
    if (unknown !== undefined) {
      throw this.#invalid(
        `'${option}' has no field '${unknown}': its fields are ${fields?.join(', ')}`,
        orMeant(unknown, fields ?? [], '.'),
      )
    }
    const entries = Object.entries(value).filter(([, name]) => name !== undefined)
    // Without a prototype, so that a field that is named like an inherited one finds nothing.
    const names: Record<string, string> = Object.create(null)
    for (const [field, name] of entries) names[field] = this.#checkName(name, `${option}.${field}`)
    return Object.freeze(names)
  }

  /** Fields that say what columns hold; null where the option is missing. */
  fields(option: string): Readonly<Record<string, Field<unknown>>> | null {
    const value = this.#options[option]
    if (value === undefined) return null
    if (!isPlainObject(value))
      throw this.#invalid(`'${option}' must be an object, but is ${describeValue(value)}`)
    const fields: Record<string, Field<unknown>> = Object.create(null)
    for (const [name, field] of Object.entries(value)) {
      if (!isField(field)) {
        throw this.#invalid(
          `'${option}.${name}' must be a field such as text(), but is ${describeValue(field)}`,
        )
      }
      if (field.path !== null) {
        throw this.#invalid(`'${option}.${name}' has a path, which is for reading records: leave it out`)
      }
      fields[name] = field
    }
    return Object.freeze(fields)
  }

  #checkName(value: unknown, where: string): string {
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
    throw this.#invalid(`'${where}' must be a name, but is ${describeValue(value)}`)
  }

  #invalid(message: string, end = '.'): OncesinkError {
    return new OncesinkError('CONFIGURATION_INVALID', `${this.#factory}(): ${message}${end}`)
  }
}

/** @throws OncesinkError CONFIGURATION_INVALID unless `value` is a function */
export function checkCallback(factory: string, value: unknown): void {
  if (typeof value === 'function') return
  throw new OncesinkError(
    'CONFIGURATION_INVALID',
    `${factory}(): needs a function (trx, ..., batch) => Promise, but got ${describeValue(value)}.`,
  )
}
