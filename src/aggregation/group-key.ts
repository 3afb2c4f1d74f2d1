import { describeValue } from '../model/excerpt.ts'
import type { KeyValue } from '../model/values.ts'
import { isInexactInteger } from './exact-integer.ts'

/*
 * Group keys. Two records belong to one group exactly when the texts below are equal, so the text must tell apart
 * whatever the database tells apart, and the other way round: rows that are two groups here and one row there would
 * hit that row twice in one statement. Hence the rules:
 * - one type per key column: 1, 1n and '1' are one value in some columns and three in none;
 * - integers beyond Number.MAX_SAFE_INTEGER are refused as numbers: several ids have become one value already;
 * - -0 is 0; NaN, Infinity and invalid Dates are refused, because no two engines agree about them;
 * - strings with lone surrogates are refused: in UTF-8 they all become the same replacement character.
 */

export type KeyType = 'string' | 'number' | 'bigint' | 'boolean' | 'date'

/** Null for what cannot be a key at all. */
export function keyTypeOf(value: unknown): KeyType | null {
  const type = typeof value
  if (type === 'string' || type === 'number' || type === 'bigint' || type === 'boolean') return type
  return value instanceof Date ? 'date' : null
}

/**
 * The text of accepted keys, in the order of the plan's keys. A single string is almost always its own text: no new
 * string is made for it.
 */
export function groupText(keys: readonly KeyValue[]): string {
  const [first] = keys
  if (keys.length === 1 && typeof first === 'string' && first.charCodeAt(0) !== 0) return first
  return `\0${keys.map(taggedText).join('')}`
}

/** Texts joined in key order are unique: none is a prefix of another. */
function taggedText(key: KeyValue): string {
  if (typeof key === 'string') return `s${key.length}:${key}`
  if (typeof key === 'number') return `n${key};`
  if (typeof key === 'bigint') return `i${key};`
  if (typeof key === 'boolean') return key ? 't' : 'f'
  return `d${key.getTime()};`
}

/** Checks the keys of new groups, and holds every key column to the type that it had first. */
export class KeyColumns {
  #types: readonly (KeyType | undefined)[] = []

  /** A copy to try keys with: they bind nobody unless it is taken over by {@link adopt}. */
  fork(): KeyColumns {
    const fork = new KeyColumns()
    fork.#types = this.#types
    return fork
  }

  /** Takes over what a fork has accepted. */
  adopt(fork: KeyColumns): void {
    this.#types = fork.#types
  }

  /** The type of `column`; undefined before its first value. */
  typeOf(column: number): KeyType | undefined {
    return this.#types[column]
  }

  /**
   * The value to keep for a group of its own: -0 as 0, Dates as copies.
   * @throws Error with the reason why `value` cannot be a key of `column`
   */
  accept(value: unknown, column: number): KeyValue {
    const type = keyTypeOf(value)
    if (type === null) throw new Error(refusal(value))
    const key = value as KeyValue
    if (typeof key === 'number' && !Number.isFinite(key)) throw new Error(refusal(key))
    if (typeof key === 'number' && isInexactInteger(key)) {
      throw new Error(
        `${key} is an integer beyond Number.MAX_SAFE_INTEGER, where different ids become the same number and would ` +
          'be one group: decode them as strings or bigints',
      )
    }
    if (typeof key === 'object' && Number.isNaN(key.getTime())) throw new Error(refusal(key))
    if (typeof key === 'string' && !isWellFormed(key)) {
      throw new Error(
        `${describeValue(key)} is not well-formed Unicode (a lone surrogate), which UTF-8 cannot hold`,
      )
    }
    const expected = this.#types[column] ?? type
    if (type !== expected) {
      throw new Error(
        `a group key has one type in a job, but got ${describeValue(key)} after values of type ${expected}: ` +
          'the database may take both for the same key. Convert them to one type',
      )
    }
    if (this.#types[column] === undefined) this.#types = withType(this.#types, column, type)
    if (typeof key === 'number') return key + 0
    return typeof key === 'object' ? new Date(key.getTime()) : key
  }
}

function withType(types: readonly (KeyType | undefined)[], column: number, type: KeyType) {
  const copy = [...types]
  copy[column] = type
  return copy
}

function refusal(value: unknown): string {
  const got = `a group key is a string, a finite number, a bigint, a boolean or a valid Date, but got ${describeValue(value)}`
  if (value !== null && value !== undefined) return got
  return (
    `${got}: unique indexes treat NULLs as distinct, so such rows would never add up. Filter these records, or give ` +
    'them a value of their own'
  )
}

function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}

/** The one order of keys, by the first column that differs: code units, numbers and times ascending, false first. */
export function compareKeys(a: readonly KeyValue[], b: readonly KeyValue[]): number {
  for (let i = 0; i < a.length; i++) {
    const [left, right] = [a[i] as KeyValue, b[i] as KeyValue]
    if (left < right) return -1
    if (left > right) return 1
  }
  return 0
}
