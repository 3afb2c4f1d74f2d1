/** Most records, and most bytes from the first to the last of them, that are scanned at once. */
export const MAX_RECORDS = 256
export const MAX_BYTES = 128 * 1024

/** What is read past the end of the last record is zero, which is in no JSON. */
export const PADDING = 16

/** Where things are in the memory that kernels work on, in bytes. */
export interface MemoryMap {
  readonly slotCount: number
  /** One byte per record: 1 once it was understood. */
  readonly done: number
  /** Where the records begin and end in the buffer that they came from, as 32-bit integers. */
  readonly begins: number
  readonly untils: number
  /** Columns of ScannedFields: 32-bit integers by record and slot, and one cell more. The same cell of each has one address. */
  readonly kinds: number
  readonly starts: number
  readonly ends: number
  readonly scales: number
  readonly hashes: number
  /** Such a column of doubles. */
  readonly mantissas: number
  /** Address of the cell, in its column, of values that nobody wants. */
  readonly unwanted: number
  /** The bytes of the records, then those that are zero. */
  readonly input: number
  /** All of it. */
  readonly bytes: number
}

export function memoryMapOf(slotCount: number): MemoryMap {
  const cells = MAX_RECORDS * slotCount
  const columnBytes = (cells + 2) * 4
  let at = 0
  const take = (bytes: number) => {
    const begin = at
    // Doubles lie at multiples of eight.
    at += Math.ceil(bytes / 8) * 8
    return begin
  }
  return {
    slotCount,
    done: take(MAX_RECORDS),
    begins: take(MAX_RECORDS * 4),
    untils: take(MAX_RECORDS * 4),
    kinds: take(columnBytes),
    starts: take(columnBytes),
    ends: take(columnBytes),
    scales: take(columnBytes),
    hashes: take(columnBytes),
    mantissas: take(columnBytes * 2),
    unwanted: cells * 4,
    input: take(MAX_BYTES + PADDING + 16),
    bytes: at,
  }
}
