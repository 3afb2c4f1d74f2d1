import type { KnownOfValues, ScannedFields, ValueColumns } from '../scanned-fields.ts'
import { kernelOf } from './kernel.ts'
import { type Layout, LayoutLearner } from './layout.ts'
import { MAX_BYTES, MAX_RECORDS, type MemoryMap, memoryMapOf, PADDING } from './memory-map.ts'
import { type Kernel, type KernelHost, kernelHost } from './web-assembly.ts'

/** With fewer records than this a block is not worth its copy. */
export const MIN_RECORDS = 4

/** Records of one topic have few layouts, or more than there is any use in. */
const MAX_LAYOUTS = 4
/** Layouts that are learned without waiting; after them one in so many blocks, since each is compiled. */
const QUICK_LESSONS = 8
const BLOCKS_PER_LESSON = 1024

/** As long as no more than this share of a block is left over, nothing is learned of it. */
const UNUSUAL_SHARE = 1 / 16
/** Records of a block that may be tried for a layout, one after the other. */
const TRIES = 8

/** A block of which less than this share was understood was not worth it, nor are the next ones. */
const WORTH_SHARE = 0.25
const PAUSE_BLOCKS = 15

/** More fields than anybody declares need more memory than they are worth: 7 KiB each. */
const MAX_SLOTS = 256

interface LearnedLayout {
  readonly kernel: Kernel
  /** Records since the last lesson. */
  records: number
}

/**
 * Scans hundreds of records at once in WebAssembly, sixteen bytes at a time: those that are written like one before them
 * (see {@link Layout}), where no string has escapes or anything beyond ASCII and no number an exponent. Whatever it
 * understands comes to what FieldScanner says of it; everything else is left to that one.
 *
 * The records' bytes are copied into memory of its own, of a fixed size. A block is whatever follows the record that is
 * asked for; its results stand until another block is asked for.
 */
export class BlockScanner implements ScannedFields {
  buffer: Buffer = Buffer.alloc(0)
  at = 0
  readonly kinds: Int32Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly known: KnownOfValues
  readonly #host: KernelHost
  readonly #map: MemoryMap
  readonly #hashed: ReadonlySet<number>
  readonly #learner: LayoutLearner
  #layouts: LearnedLayout[] = []
  readonly #done: Uint8Array
  readonly #begins: Int32Array
  readonly #untils: Int32Array
  readonly #input: Uint8Array
  /** The block: records `[begin, end)` of these values. */
  #values: ValueColumns | null = null
  #begin = 0
  #end = 0
  /** Bytes that it has. */
  #length = 0
  #blocks = 0
  #lessons = 0
  #nextLesson = 0
  /** Blocks before this one are not scanned. */
  #pausedUntil = 0

  /**
   * @param paths one per slot: names from the outermost object inwards
   * @param hashed slots whose values are hashed
   * @throws where there is no WebAssembly, or no memory for it
   */
  constructor(paths: readonly (readonly string[])[], hashed: ReadonlySet<number>) {
    if (paths.length > MAX_SLOTS) throw new RangeError(`no more than ${MAX_SLOTS} slots`)
    const map = memoryMapOf(paths.length)
    this.#map = map
    this.#hashed = hashed
    this.#learner = new LayoutLearner(paths)
    this.#host = kernelHost(map)
    const { buffer } = this.#host
    const cells = MAX_RECORDS * paths.length
    this.kinds = new Int32Array(buffer, map.kinds, cells)
    this.starts = new Int32Array(buffer, map.starts, cells)
    this.ends = new Int32Array(buffer, map.ends, cells)
    this.known = {
      scales: new Int32Array(buffer, map.scales, cells),
      mantissas: new Float64Array(buffer, map.mantissas, cells),
      hashes: new Int32Array(buffer, map.hashes, cells),
    }
    this.#done = new Uint8Array(buffer, map.done, MAX_RECORDS)
    this.#begins = new Int32Array(buffer, map.begins, MAX_RECORDS)
    this.#untils = new Int32Array(buffer, map.untils, MAX_RECORDS)
    this.#input = new Uint8Array(buffer, map.input)
  }

  /** Scans the value of record `i`, together with those after it. @returns whether it was understood */
  scan(values: ValueColumns, i: number): boolean {
    if (values !== this.#values || i < this.#begin || i >= this.#end) this.#enter(values, i)
    const index = i - this.#begin
    this.at = index * this.#map.slotCount
    return this.#done[index] === 1
  }

  #enter(values: ValueColumns, begin: number): void {
    this.#values = values
    this.#begin = begin
    this.#end = Math.min(begin + MAX_RECORDS, values.valueStart.length)
    this.buffer = values.buffer
    this.#done.fill(0)
    this.#blocks += 1
    if (this.#end - begin < MIN_RECORDS || this.#blocks < this.#pausedUntil) return
    const count = this.#copy(values, begin, this.#end)
    this.#end = begin + Math.max(count, 1)
    if (count === 0) return
    const shift = this.#map.input - (values.valueStart[begin] as number)
    let left = count
    for (const layout of this.#layouts) {
      if (left > 0) left -= this.#run(layout, count, shift)
    }
    while (left > count * UNUSUAL_SHARE && this.#blocks >= this.#nextLesson) {
      const layout = this.#learn(values, begin, count)
      if (layout !== null) left -= this.#run(layout, count, shift)
    }
    if (count >= MIN_RECORDS && count - left < count * WORTH_SHARE) this.#pause(PAUSE_BLOCKS)
  }

  #pause(blocks: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#blocks + 1 + blocks)
  }

  /** Copies records from `begin` on, up to `end` at most. @returns how many; none if the first is too long */
  #copy({ buffer, valueStart, valueEnd }: ValueColumns, begin: number, end: number): number {
    const base = valueStart[begin] as number
    let count = end - begin
    let length = 0
    for (; count > 0; count >>= 1) {
      const last = begin + count - 1
      length = Math.max(valueStart[last] as number, valueEnd[last] as number) - base
      if (length >= 0 && length <= MAX_BYTES) break
    }
    if (count === 0) return 0
    const bytes = buffer.subarray(base, base + length)
    this.#begins.set(valueStart.subarray(begin, begin + count))
    this.#untils.set(valueEnd.subarray(begin, begin + count))
    this.#input.set(bytes)
    this.#input.fill(0, bytes.length, bytes.length + PADDING)
    this.#length = bytes.length
    return count
  }

  /** The layout of one of the first records of the block that are not understood; null where none of them has one. */
  #learn({ buffer, valueStart, valueEnd }: ValueColumns, begin: number, count: number): LearnedLayout | null {
    let index = this.#done.indexOf(0)
    for (let tries = 0; tries < TRIES && index !== -1 && index < count; tries++) {
      const i = begin + index
      const learned = this.#learner.learn(buffer, valueStart[i] as number, valueEnd[i] as number)
      if (learned !== null) return this.#keep(learned)
      index = this.#done.indexOf(0, index + 1)
    }
    this.#nextLesson = this.#blocks + PAUSE_BLOCKS
    return null
  }

  /** Null where the engine does not have every instruction: then there is nothing to be learned, ever. */
  #keep(learned: Layout): LearnedLayout | null {
    this.#lessons += 1
    if (this.#lessons >= QUICK_LESSONS) this.#nextLesson = this.#blocks + BLOCKS_PER_LESSON
    const kernel = this.#load(learned)
    if (kernel === null) {
      this.#pause(Number.POSITIVE_INFINITY)
      this.#nextLesson = Number.POSITIVE_INFINITY
      return null
    }
    const layout = { kernel, records: 0 }
    const others = this.#layouts.sort((a, b) => b.records - a.records).slice(0, MAX_LAYOUTS - 1)
    for (const other of others) other.records = 0
    this.#layouts = [...others, layout]
    return layout
  }

  #load(layout: Layout): Kernel | null {
    try {
      return this.#host.load(kernelOf(layout, this.#map, this.#hashed))
    } catch {
      return null
    }
  }

  #run(layout: LearnedLayout, count: number, shift: number): number {
    const records = layout.kernel(count, shift, this.#map.input + this.#length)
    layout.records += records
    return records
  }
}
