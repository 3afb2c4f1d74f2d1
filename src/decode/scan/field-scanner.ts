import { isDigit, numberEnd, utf8SequenceLength } from './json-bytes.ts'
import { Kind, type ScannedFields } from './scanned-fields.ts'

/** Objects in objects beyond this depth are left to JSON.parse, which needs no stack for them. */
const MAX_DEPTH = 100

/** Names of one object of the record that somebody wants something of. */
interface Node {
  readonly names: readonly Wanted[]
  /** By place in the object: the name that was there before. Records of one topic tend to have the same names in one order. */
  readonly guesses: Guess[]
  /** Guesses made so far. Where names are never the same again, no more are made. */
  guessed: number
}

/** A name that was read, with the quote and the colon after it, and what it means. */
interface Guess {
  readonly bytes: Uint8Array
  readonly wanted: Wanted | null
}

const MAX_GUESSES = 256

interface Wanted {
  readonly name: Uint8Array
  /** Slots of the value with this name; none where only something inside of it is wanted. */
  readonly slots: readonly number[]
  /** What is wanted inside of it, if anything. */
  readonly inside: Node | null
  /** Slots of everything inside. */
  readonly slotsInside: readonly number[]
}

/**
 * Finds named values in JSON, straight in its bytes; nothing is made of what nobody wants.
 *
 * The whole text is checked against the grammar of RFC 8259 and for valid UTF-8, so that {@link scan} takes no text that
 * JSON.parse refuses. It may leave a text to JSON.parse that is right (it then says so): where a name is escaped, which
 * may be one of those that are wanted, where a wanted value lies inside of an array, or very deep.
 */
export class FieldScanner implements ScannedFields {
  readonly at = 0
  readonly known = null
  readonly kinds: Int32Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  buffer: Buffer = Buffer.alloc(0)
  #end = 0
  readonly #root: Node
  /** What the last string was made of. */
  #stringKind: Kind = Kind.ascii

  /** @param paths one per slot: names from the outermost object inwards */
  constructor(paths: readonly (readonly string[])[]) {
    this.kinds = new Int32Array(paths.length)
    this.starts = new Int32Array(paths.length)
    this.ends = new Int32Array(paths.length)
    this.#root = nodeOf(paths.map((path, slot) => ({ path, slot })))
  }

  /**
   * Scans the JSON object at `buffer[start, end)`. Of several values with one name the last one counts.
   * @returns whether it is one, and was understood; if not, JSON.parse has to say what it is
   */
  scan(buffer: Buffer, start: number, end: number): boolean {
    this.buffer = buffer
    this.#end = end
    // A call of fill() costs more than these few bytes.
    for (let slot = 0; slot < this.kinds.length; slot++) this.kinds[slot] = Kind.missing
    const open = this.#skipSpace(start)
    if (open >= end || buffer[open] !== 123) return false
    const close = this.#object(open + 1, this.#root, 0)
    // Whatever was read past the end, of the bytes that come next, shows here.
    return close !== -1 && this.#skipSpace(close) === end
  }

  /** @returns the position after the object whose `{` is before `at`; -1 when it was not understood */
  #object(at: number, node: Node | null, depth: number): number {
    const buffer = this.buffer
    let p = this.#skipSpace(at)
    if (buffer[p] === 125) return p + 1
    for (let place = 0; ; place++) {
      if (buffer[p] !== 34) return -1
      const nameStart = p + 1
      let wanted: Wanted | null = null
      const guess = node === null ? undefined : node.guesses[place]
      const guessEnd = guess === undefined ? -1 : endOfSame(guess.bytes, buffer, nameStart)
      if (guess !== undefined && guessEnd !== -1) {
        wanted = guess.wanted
        p = this.#skipSpace(guessEnd)
      } else {
        const nameEnd = this.#string(nameStart)
        if (nameEnd === -1) return -1
        if (node !== null) {
          if (this.#stringKind === Kind.escaped) return -1
          wanted = find(node, buffer, nameStart, nameEnd)
        }
        p = this.#skipSpace(nameEnd + 1)
        if (buffer[p] !== 58) return -1
        if (
          node !== null &&
          p === nameEnd + 1 &&
          node.guessed < MAX_GUESSES &&
          place <= node.guesses.length
        ) {
          node.guessed += 1
          node.guesses[place] = { bytes: Uint8Array.from(buffer.subarray(nameStart, p + 1)), wanted }
        }
        p = this.#skipSpace(p + 1)
      }
      p = wanted === null ? this.#skip(p, depth) : this.#wanted(p, wanted, depth)
      if (p === -1) return -1
      p = this.#skipSpace(p)
      const next = buffer[p]
      if (next === 125) return p + 1
      if (next !== 44 || p >= this.#end) return -1
      p = this.#skipSpace(p + 1)
    }
  }

  /** Notes the value at `p`. Returns the position after it, or -1. */
  #wanted(p: number, wanted: Wanted, depth: number): number {
    const { slots, inside, slotsInside } = wanted
    for (let i = 0; i < slotsInside.length; i++) this.kinds[slotsInside[i] as number] = Kind.missing
    const first = this.buffer[p] as number
    let after: number
    let kind: Kind
    let from = p
    let until = 0
    if (first === 34) {
      if (inside !== null) return -1
      until = this.#string(p + 1)
      if (until === -1) return -1
      from = p + 1
      after = until + 1
      kind = this.#stringKind
    } else if (first === 123) {
      if (depth >= MAX_DEPTH) return -1
      after = this.#object(p + 1, inside, depth + 1)
      kind = Kind.object
    } else if (first === 110) {
      // Nothing is inside of null, as if it were not there.
      after = this.#literal(p, 'null')
      kind = Kind.null
    } else if (inside !== null) return -1
    else {
      after = this.#skip(p, depth)
      kind = first === 91 ? Kind.array : first === 116 ? Kind.true : first === 102 ? Kind.false : Kind.number
    }
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number
      this.kinds[slot] = kind
      this.starts[slot] = from
      this.ends[slot] = until === 0 ? after : until
    }
    return after
  }

  /** @returns the position after the value at `p`, or -1 */
  #skip(p: number, depth: number): number {
    const first = this.buffer[p] as number
    if (first === 34) {
      const close = this.#string(p + 1)
      return close === -1 ? -1 : close + 1
    }
    if (first === 45 || isDigit(first)) return numberEnd(this.buffer, p)
    switch (first) {
      case 123:
        return depth >= MAX_DEPTH ? -1 : this.#object(p + 1, null, depth + 1)
      case 91:
        return depth >= MAX_DEPTH ? -1 : this.#array(p + 1, depth + 1)
      case 116:
        return this.#literal(p, 'true')
      case 102:
        return this.#literal(p, 'false')
      case 110:
        return this.#literal(p, 'null')
      default:
        return -1
    }
  }

  #array(at: number, depth: number): number {
    let p = this.#skipSpace(at)
    if (this.buffer[p] === 93) return p + 1
    for (;;) {
      p = this.#skip(p, depth)
      if (p === -1) return -1
      p = this.#skipSpace(p)
      const next = this.buffer[p]
      if (next === 93) return p + 1
      if (next !== 44 || p >= this.#end) return -1
      p = this.#skipSpace(p + 1)
    }
  }

  /** @returns the position of the quote that ends the string which begins at `at`, or -1 */
  #string(at: number): number {
    const buffer = this.buffer
    const end = this.#end
    let kind: Kind = Kind.ascii
    let p = at
    while (p < end) {
      const byte = buffer[p] as number
      // Printable ASCII but the quote and the backslash stand for themselves; most of it is letters.
      if (byte > 92 ? byte < 128 : byte > 34 ? byte !== 92 : byte === 32 || byte === 33) p += 1
      else if (byte === 34) {
        this.#stringKind = kind
        return p
      } else if (byte >= 128) {
        const length = utf8SequenceLength(buffer, p, end)
        if (length === 0) return -1
        if (kind === Kind.ascii) kind = Kind.utf8
        p += length
      } else if (byte === 92) {
        const length = escapeLength(buffer, p)
        if (length === 0) return -1
        kind = Kind.escaped
        p += length
      } else return -1
    }
    return -1
  }

  #literal(p: number, word: string): number {
    for (let i = 0; i < word.length; i++) if (this.buffer[p + i] !== word.charCodeAt(i)) return -1
    return p + word.length
  }

  #skipSpace(at: number): number {
    const buffer = this.buffer
    if ((buffer[at] as number) > 32) return at
    let p = at
    for (;;) {
      const byte = buffer[p] as number
      if (byte > 32 || (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) || p >= this.#end) return p
      p += 1
    }
  }
}

/** The position after `bytes`, where they are at `at`; else -1. */
function endOfSame(bytes: Uint8Array, buffer: Uint8Array, at: number): number {
  const { length } = bytes
  for (let i = 0; i < length; i++) if (buffer[at + i] !== bytes[i]) return -1
  return at + length
}

function find({ names }: Node, buffer: Uint8Array, start: number, end: number): Wanted | null {
  const length = end - start
  for (let n = 0; n < names.length; n++) {
    const wanted = names[n] as Wanted
    const { name } = wanted
    if (name.length !== length) continue
    let i = 0
    while (i < length && name[i] === buffer[start + i]) i += 1
    if (i === length) return wanted
  }
  return null
}

/** Bytes of the escape at `p`, or 0 when it is none. */
function escapeLength(buffer: Uint8Array, p: number): number {
  const what = buffer[p + 1] as number
  if (what === 117) {
    for (let i = 2; i < 6; i++) if (!isHex(buffer[p + i] as number)) return 0
    return 6
  }
  return '"\\/bfnrt'.includes(String.fromCharCode(what)) ? 2 : 0
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 65 && byte <= 70) || (byte >= 97 && byte <= 102)
}

interface WantedPath {
  readonly path: readonly string[]
  readonly slot: number
}

function nodeOf(wanted: readonly WantedPath[]): Node {
  const byName = new Map<string, WantedPath[]>()
  for (const one of wanted) {
    const [name = ''] = one.path
    byName.set(name, [...(byName.get(name) ?? []), one])
  }
  const encoder = new TextEncoder()
  const names = [...byName].map(([name, paths]) => {
    const inside = paths.filter(({ path }) => path.length > 1)
    const below = inside.map(({ path, slot }) => ({ path: path.slice(1), slot }))
    return {
      name: encoder.encode(name),
      slots: paths.filter(({ path }) => path.length === 1).map(({ slot }) => slot),
      inside: below.length === 0 ? null : nodeOf(below),
      slotsInside: inside.map(({ slot }) => slot),
    }
  })
  return { names, guesses: [], guessed: 0 }
}
