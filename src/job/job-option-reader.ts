import { OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import { nearestWord } from '../model/nearest-word.ts'
import { isPlainObject, unknownFields } from '../model/plain-object.ts'

const MAX_PRINTABLE = 200

/** Control characters, format characters, lone surrogates and line separators. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/u

/** Reads a job's options and gathers everything that is wrong with them, to be told at once. */
export class JobOptionReader {
  readonly #options: Record<string, unknown>
  readonly #problems: string[] = []
  readonly #known = new Map<string, string[]>()

  constructor(options: unknown, known: readonly string[]) {
    this.#options = isPlainObject(options) ? options : {}
    if (!isPlainObject(options)) {
      this.problem(`defineJob takes an options object, but got ${describeValue(options)}`)
    }
    this.#refuseUnknownFields(this.#options, known, '')
  }

  raw(option: string): unknown {
    return this.#options[option]
  }

  /** Text of `minLength` to 200 printable characters. Without a default the option is required. */
  printable(option: string, byDefault: string | undefined, minLength: number): string {
    const value = this.#options[option] ?? byDefault
    const fits =
      typeof value === 'string' &&
      value.length >= minLength &&
      value.length <= MAX_PRINTABLE &&
      value.trim() === value &&
      !unprintable.test(value)
    if (fits) return value
    this.problem(
      `${option} must be a text of ${minLength} to ${MAX_PRINTABLE} printable characters without spaces around it, ` +
        `but is ${describeValue(value)}`,
    )
    return ''
  }

  /** One of `words`, the first of which is the default. */
  oneOf<Word extends string>(option: string, words: readonly [Word, ...Word[]]): Word {
    const value = this.#options[option] ?? words[0]
    const word = words.find((known) => known === value)
    if (word !== undefined) return word
    this.problem(
      `${option} must be ${words.map((w) => `'${w}'`).join(' or ')}, but is ${describeValue(value)}`,
    )
    return words[0]
  }

  /** Whether there is something at `group.option`; null stands for the default, like undefined. */
  isGiven(group: string, option: string): boolean {
    return (this.#group(group)[option] ?? null) !== null
  }

  boolean(group: string, option: string, byDefault: boolean): boolean {
    const value = this.#groupOption(group, option) ?? byDefault
    if (typeof value === 'boolean') return value
    this.problem(`${group}.${option} must be true or false, but is ${describeValue(value)}`)
    return byDefault
  }

  /** The integer `group.option` in `[lowest, highest]`, or null where it is not given. */
  optionalInteger(group: string, option: string, lowest: number, highest: number): number | null {
    const value = this.integer(group, option, lowest, lowest, highest)
    return this.isGiven(group, option) ? value : null
  }

  /** The integer `group.option` in `[lowest, highest]`. */
  integer(group: string, option: string, byDefault: number, lowest: number, highest: number): number {
    const value = this.#groupOption(group, option) ?? byDefault
    if (typeof value === 'number' && Number.isInteger(value) && value >= lowest && value <= highest)
      return value
    this.problem(
      `${group}.${option} must be an integer from ${lowest} to ${highest}, but is ${describeValue(value)}`,
    )
    return byDefault
  }

  /** Complains about options of `groups` that nobody has read. */
  refuseUnknown(...groups: readonly string[]): void {
    for (const group of groups) {
      const value = this.#options[group]
      if (value !== undefined && !isPlainObject(value)) {
        this.problem(`${group} must be an object, but is ${describeValue(value)}`)
      }
      this.#refuseUnknownFields(this.#group(group), this.#known.get(group) ?? [], `${group}.`)
    }
  }

  problem(message: string): void {
    this.#problems.push(message)
  }

  /** @throws OncesinkError CONFIGURATION_INVALID when there was a problem */
  throwProblems(): void {
    if (this.#problems.length === 0) return
    const name = this.#options.name
    const which =
      typeof name === 'string' ? `job ${describeValue(name).replace('the string ', '')}` : 'the job'
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `${which} cannot be defined:\n${this.#problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
  }

  #groupOption(group: string, option: string): unknown {
    this.#known.set(group, [...(this.#known.get(group) ?? []), option])
    return this.#group(group)[option]
  }

  #group(name: string): Record<string, unknown> {
    const value = this.#options[name]
    return isPlainObject(value) ? value : {}
  }

  #refuseUnknownFields(value: object, known: readonly string[], prefix: string): void {
    for (const option of unknownFields(value, known)) {
      const meant = nearestWord(option, known)
      this.problem(
        `there is no option ${prefix}${option}: there are ${known.map((k) => prefix + k).join(', ')}` +
          (meant === null ? '' : `; did you mean ${prefix}${meant}?`),
      )
    }
  }
}
