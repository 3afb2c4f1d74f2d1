import { HASH_PRIME, hashOfBytes, type ScannedFields } from '../decode/scan/scanned-fields.ts'
import type { KeyValue } from '../model/values.ts'

/** All is forgotten when there are more keys, or more bytes of them: a look-up that misses costs little more. */
const MAX_KEYS = 1 << 18
const MAX_BYTES = 1 << 25

/** Numbers that each cell has. */
const CELL = 3

/**
 * Key values by the bytes that they are written with: a value is made once for all records of the same bytes, and kept
 * from range to range. One value may have several writings (`"a"` and `"\u0061"`), each with an entry of its own.
 *
 * An open hash table with linear probing over FNV-1a (Fowler, Noll, Vo), whose entries are numbers from 0.
 */
export class ByteKeys {
  readonly #slots: Int32Array
  readonly #columns: number
  /** Entry + 1 by hash; 0 where there is none. A power of two, at most half full. */
  #table = new Int32Array(1 << 12)
  #hashes = new Int32Array(1 << 11)
  /** By entry and column: where its bytes are in the arena, how many, and of what kind the value was. */
  #cells: Int32Array<ArrayBuffer>
  #arena = new Uint8Array(1 << 16)
  #arenaEnd = 0
  readonly #values: (readonly KeyValue[])[] = []
  #hash = 0

  /** @param slots of the scanner, one per key column */
  constructor(slots: readonly number[]) {
    this.#slots = Int32Array.from(slots)
    this.#columns = slots.length
    this.#cells = new Int32Array(this.#hashes.length * slots.length * CELL)
  }

  /** Number of entries. */
  get size(): number {
    return this.#values.length
  }

  /** The key values of an entry. */
  valuesOf(entry: number): readonly KeyValue[] {
    return this.#values[entry] as readonly KeyValue[]
  }

  /** The entry of the keys of the record that was scanned; -1 when there is none yet. */
  find(found: ScannedFields): number {
    const hash = this.#hashOf(found)
    this.#hash = hash
    const table = this.#table
    const mask = table.length - 1
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const entry = (table[at] as number) - 1
      if (entry === -1) return -1
      if (this.#hashes[entry] === hash && this.#isEntry(entry, found)) return entry
    }
  }

  /** Adds an entry for the keys that {@link find} has just not found. Entries before it may be gone. */
  add(found: ScannedFields, values: readonly KeyValue[]): number {
    const { buffer, at, kinds, starts, ends } = found
    let bytes = 0
    for (const slot of this.#slots) bytes += (ends[at + slot] as number) - (starts[at + slot] as number)
    if (this.size >= MAX_KEYS || this.#arenaEnd + bytes > MAX_BYTES) this.#clear()
    this.#makeRoom(bytes)
    const entry = this.size
    this.#values.push(values)
    this.#hashes[entry] = this.#hash
    for (let column = 0; column < this.#columns; column++) {
      const from = at + (this.#slots[column] as number)
      const cell = (entry * this.#columns + column) * CELL
      const start = starts[from] as number
      const length = (ends[from] as number) - start
      this.#cells[cell] = this.#arenaEnd
      this.#cells[cell + 1] = length
      this.#cells[cell + 2] = kinds[from] as number
      this.#arena.set(buffer.subarray(start, start + length), this.#arenaEnd)
      this.#arenaEnd += length
    }
    this.#insert(entry)
    return entry
  }

  #hashOf({ buffer, at, kinds, starts, ends, known }: ScannedFields): number {
    let hash = 0
    for (let column = 0; column < this.#columns; column++) {
      const from = at + (this.#slots[column] as number)
      const bytes =
        known === null
          ? hashOfBytes(buffer, starts[from] as number, ends[from] as number)
          : (known.hashes[from] as number)
      // Where one key ends and the next begins is part of what they are.
      hash = Math.imul(hash ^ bytes, HASH_PRIME)
      hash = Math.imul(hash ^ (256 + (kinds[from] as number)), HASH_PRIME)
    }
    return hash ^ (hash >>> 15)
  }

  #isEntry(entry: number, { buffer, at, kinds, starts, ends }: ScannedFields): boolean {
    const arena = this.#arena
    const cells = this.#cells
    let cell = entry * this.#columns * CELL
    for (let column = 0; column < this.#columns; column++, cell += CELL) {
      const from = at + (this.#slots[column] as number)
      const start = starts[from] as number
      const length = (ends[from] as number) - start
      if (cells[cell + 1] !== length || cells[cell + 2] !== kinds[from]) return false
      const own = cells[cell] as number
      for (let i = 0; i < length; i++) if (arena[own + i] !== buffer[start + i]) return false
    }
    return true
  }

  #insert(entry: number): void {
    const mask = this.#table.length - 1
    let at = (this.#hashes[entry] as number) & mask
    while (this.#table[at] !== 0) at = (at + 1) & mask
    this.#table[at] = entry + 1
  }

  #makeRoom(bytes: number): void {
    if (this.#arenaEnd + bytes > this.#arena.length) {
      const arena = new Uint8Array(Math.max(this.#arena.length * 2, this.#arenaEnd + bytes))
      arena.set(this.#arena)
      this.#arena = arena
    }
    if (this.size < this.#hashes.length) return
    this.#hashes = grown(this.#hashes)
    this.#cells = grown(this.#cells)
    this.#table = new Int32Array(this.#table.length * 2)
    for (let entry = 0; entry < this.size; entry++) this.#insert(entry)
  }

  #clear(): void {
    this.#table.fill(0)
    this.#values.length = 0
    this.#arenaEnd = 0
  }
}

/** Twice as long. */
export function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(array.length * 2)
  longer.set(array)
  return longer
}
