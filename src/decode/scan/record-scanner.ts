import { BlockScanner, MIN_RECORDS } from './block/block-scanner.ts'
import { FieldScanner } from './field-scanner.ts'
import type { ScannedFields, ValueColumns } from './scanned-fields.ts'

/** Finds named values in records: in many at once where that can be done, else in one after the other. */
export class RecordScanner {
  readonly #paths: readonly (readonly string[])[]
  readonly #single: FieldScanner
  readonly #hashed = new Set<number>()
  /** Undefined before the first block, null where there is none. */
  #blocks: BlockScanner | null | undefined

  /** @param paths one per slot: names from the outermost object inwards */
  constructor(paths: readonly (readonly string[])[]) {
    this.#paths = paths
    this.#single = new FieldScanner(paths)
  }

  /** Values in these slots are keys from now on. */
  hash(slots: readonly number[]): void {
    for (const slot of slots) this.#hashed.add(slot)
    this.#blocks = undefined
  }

  /** Where the values are in the JSON object at `buffer[start, end)`; null where JSON.parse has to say what that is. */
  scan(buffer: Buffer, start: number, end: number): ScannedFields | null {
    return this.#single.scan(buffer, start, end) ? this.#single : null
  }

  /** {@link scan} for the value of record `i`. Those after it are likely to be asked for next. */
  scanRecord(values: ValueColumns, i: number): ScannedFields | null {
    if (this.#blocks === undefined && values.valueStart.length >= MIN_RECORDS)
      this.#blocks = blockScanner(this.#paths, this.#hashed)
    const blocks = this.#blocks
    if (blocks?.scan(values, i)) return blocks
    const end = values.valueEnd[i] as number
    return end === -1 ? null : this.scan(values.buffer, values.valueStart[i] as number, end)
  }
}

/** Null where WebAssembly is not what is needed: everything works without. */
function blockScanner(
  paths: readonly (readonly string[])[],
  hashed: ReadonlySet<number>,
): BlockScanner | null {
  try {
    return new BlockScanner(paths, new Set(hashed))
  } catch {
    return null
  }
}
