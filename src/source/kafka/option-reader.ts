import { OncesinkError } from '../../errors.ts'

/**
 * Reads one options object by name, checks each value and remembers which names were asked for, so that a
 * misspelt one is refused instead of ignored. Every error names the option and says what it should be.
 */
export class OptionReader {
  readonly #where: string
  readonly #prefix: string
  readonly #options: Readonly<Record<string, unknown>>
  readonly #known = new Set<string>()

  constructor(where: string, options: unknown, prefix = '') {
    this.#where = where
    this.#prefix = prefix
    if (!isPlainObject(options)) {
      throw new OncesinkError(
        'CONFIGURATION_INVALID',
        `${where}(): ${prefix === '' ? 'its argument' : prefix.slice(0, -1)} must be an object of options`,
      )
    }
    this.#options = options
  }

  invalid(name: string, cure: string): OncesinkError {
    return new OncesinkError(
      'CONFIGURATION_INVALID',
      `${this.#where}(): option ${this.#prefix}${name} ${cure}${this.#shown(name)}`,
    )
  }

  #shown(name: string): string {
    const value = this.#options[name]
    return ['string', 'number', 'boolean', 'undefined'].includes(typeof value)
      ? `; it is ${JSON.stringify(value) ?? 'missing'}`
      : ''
  }

  raw(name: string): unknown {
    this.#known.add(name)
    return this.#options[name]
  }

  strings(name: string, accepts: (text: string) => boolean, cure: string): readonly string[] {
    const value = this.raw(name)
    if (!Array.isArray(value) || value.length === 0) throw this.invalid(name, 'must be a non-empty array')
    for (const item of value) {
      if (typeof item !== 'string' || !accepts(item)) {
        throw this.invalid(name, `${cure}; one of them is ${JSON.stringify(item) ?? String(item)}`)
      }
    }
    return Object.freeze([...(value as string[])])
  }

  string(name: string, fallback: string): string {
    const value = this.raw(name) ?? fallback
    if (typeof value !== 'string' || value === '') throw this.invalid(name, 'must be a non-empty string')
    return value
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.raw(name) ?? fallback
    if (typeof value !== 'boolean') throw this.invalid(name, 'must be true or false')
    return value
  }

  oneOf<const T extends string>(name: string, allowed: readonly T[], fallback: NoInfer<T>): T {
    const value = this.raw(name) ?? fallback
    const found = allowed.find((candidate) => candidate === value)
    if (found === undefined) throw this.invalid(name, `must be ${allowed.map((a) => `'${a}'`).join(' or ')}`)
    return found
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.raw(name) ?? fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw this.invalid(name, `must be a whole number from ${min} to ${max}`)
    }
    return value
  }

  objectIn(name: string, value: unknown, cure: string): Readonly<Record<string, unknown>> {
    if (!isPlainObject(value)) throw this.invalid(name, cure)
    return value
  }

  nested(name: string): OptionReader {
    return new OptionReader(this.#where, this.raw(name) ?? {}, `${this.#prefix}${name}.`)
  }

  /** Refuses every option that nothing has asked for. Called last. */
  refuseUnknown(): void {
    for (const name of Object.keys(this.#options)) {
      if (this.#known.has(name)) continue
      throw new OncesinkError(
        'CONFIGURATION_INVALID',
        `${this.#where}(): unknown option ${this.#prefix}${name}; known are ${[...this.#known].join(', ')}`,
      )
    }
  }
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
