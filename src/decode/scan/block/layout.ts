import { FieldScanner } from '../field-scanner.ts'

/**
 * How a record is written: the bytes that are the same in every record of the layout, and between them strings, numbers,
 * true, false and null, which may be any. Whatever has these bytes and such values is JSON, since the record was of which
 * the layout was learned, and has the same names in the same places.
 */
export interface Layout {
  /** What is before each of the values; the last one is after all of them. */
  readonly fixed: readonly Uint8Array[]
  /** By value: the slots whose value it is. */
  readonly slots: readonly (readonly number[])[]
}

/** Larger layouts are not worth the code that is made of them. */
const MAX_FIXED_BYTES = 4096
const MAX_VALUES = 128
const MAX_DEPTH = 16

/**
 * Learns layouts of records in which the values at `paths` are wanted: of such as kernels understand, whose strings have
 * no escapes and are ASCII, and whose numbers have no exponents.
 */
export class LayoutLearner {
  readonly #paths: readonly (readonly string[])[]
  readonly #scanner: FieldScanner

  constructor(paths: readonly (readonly string[])[]) {
    this.#paths = paths
    this.#scanner = new FieldScanner(paths)
  }

  /** The layout of the record at `buffer[start, end)`; null where it has none, or none that can be used. */
  learn(buffer: Buffer, start: number, end: number): Layout | null {
    if (!this.#scanner.scan(buffer, start, end)) return null
    const walk = new Walk(buffer.subarray(start, end), this.#paths)
    return walk.value(0, [], 0) === -1 ? null : walk.layout()
  }
}

/** One way through a text that is known to be JSON. */
class Walk {
  readonly #text: Buffer
  readonly #paths: readonly (readonly string[])[]
  readonly #fixed: Uint8Array[] = []
  readonly #slots: number[][] = []
  #fixedFrom = 0
  #fixedBytes = 0

  constructor(text: Buffer, paths: readonly (readonly string[])[]) {
    this.#text = text
    this.#paths = paths
  }

  layout(): Layout | null {
    this.#endFixed(this.#text.length)
    const fits = this.#fixedBytes <= MAX_FIXED_BYTES && this.#slots.length <= MAX_VALUES
    return fits ? { fixed: this.#fixed, slots: this.#slots } : null
  }

  /** @param path null inside of an array @returns the position after the value, or -1 */
  value(at: number, path: readonly string[] | null, depth: number): number {
    const p = this.#skipSpace(at)
    const first = this.#text[p]
    if (first === 123 || first === 91) {
      if (depth > MAX_DEPTH || this.#slotsAt(path).length > 0) return -1
      return first === 123 ? this.#object(p + 1, path, depth) : this.#array(p + 1, depth)
    }
    // Something is wanted inside: whether it can be there depends on the value.
    if (path !== null && this.#paths.some((wanted) => isInside(wanted, path))) return -1
    this.#endFixed(p)
    this.#slots.push(this.#slotsAt(path))
    const end = this.#scalarEnd(p)
    this.#fixedFrom = end
    return isPlain(this.#text.subarray(p, end)) ? end : -1
  }

  #object(at: number, path: readonly string[] | null, depth: number): number {
    const text = this.#text
    const names = new Set<string>()
    let p = this.#skipSpace(at)
    if (text[p] === 125) return p + 1
    for (;;) {
      const nameEnd = this.#scalarEnd(p)
      const name = text.toString('utf8', p + 1, nameEnd - 1)
      // Of two values with one name only the last one counts; and an escaped name may be any.
      if (names.has(name) || name.includes('\\')) return -1
      names.add(name)
      const colon = this.#skipSpace(nameEnd)
      p = this.value(colon + 1, path && [...path, name], depth + 1)
      if (p === -1) return -1
      p = this.#skipSpace(p)
      if (text[p] === 125) return p + 1
      p = this.#skipSpace(p + 1)
    }
  }

  #array(at: number, depth: number): number {
    let p = this.#skipSpace(at)
    if (this.#text[p] === 93) return p + 1
    for (;;) {
      p = this.value(p, null, depth + 1)
      if (p === -1) return -1
      p = this.#skipSpace(p)
      if (this.#text[p] === 93) return p + 1
      p += 1
    }
  }

  #slotsAt(path: readonly string[] | null): number[] {
    if (path === null) return []
    return this.#paths.flatMap((wanted, slot) =>
      wanted.length === path.length && path.every((name, i) => wanted[i] === name) ? [slot] : [],
    )
  }

  #endFixed(until: number): void {
    this.#fixed.push(Uint8Array.from(this.#text.subarray(this.#fixedFrom, until)))
    this.#fixedBytes += until - this.#fixedFrom
  }

  /** The position after the string, number or word at `p`. */
  #scalarEnd(p: number): number {
    const text = this.#text
    let end = p + 1
    if (text[p] === 34) {
      for (; text[end] !== 34; end++) if (text[end] === 92) end += 1
      return end + 1
    }
    while (isPartOfWord(text[end] as number)) end += 1
    return end
  }

  #skipSpace(at: number): number {
    let p = at
    while ((this.#text[p] as number) <= 32) p += 1
    return p
  }
}

function isInside(wanted: readonly string[], path: readonly string[]): boolean {
  return wanted.length > path.length && path.every((name, i) => wanted[i] === name)
}

/** Whether the string, number or word is one that kernels understand. */
function isPlain(value: Buffer): boolean {
  const text = value.toString('latin1')
  return text.startsWith('"') ? /^[ -\x7f]*$/.test(text) && !text.includes('\\') : !/^-?\d.*e/i.test(text)
}

/** Letters, digits, the point and the signs of numbers. */
function isPartOfWord(byte: number): boolean {
  return byte > 32 && byte !== 44 && byte !== 93 && byte !== 125
}
