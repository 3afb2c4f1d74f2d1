/**
 * Shares `total` out: everybody gets the same, and what one does not need goes to the others. Where there is less to
 * give than there are takers, `turn` says who is served first.
 * @param available what each could take at most
 * @returns what each gets, in the order given
 */
export function shareFairly(available: readonly number[], total: number, turn: number): number[] {
  const shares = available.map(() => 0)
  const takers = [...available.keys()].filter((i) => (available[i] ?? 0) > 0)
  const first = takers.length === 0 ? 0 : turn % takers.length
  const rotated = [...takers.slice(first), ...takers.slice(0, first)]
  // Those who need least first: whatever they leave of an equal part goes to those who need more.
  if (total >= rotated.length) rotated.sort((a, b) => (available[a] ?? 0) - (available[b] ?? 0))
  let left = total
  for (const [index, taker] of rotated.entries()) {
    const share = Math.min(available[taker] ?? 0, Math.ceil(left / (rotated.length - index)))
    shares[taker] = share
    left -= share
  }
  return shares
}

/** Who gets a part of a batch. */
export interface Taker {
  /** Records at most. */
  readonly available: number
  /** Bytes of its next `records` records. */
  bytesOf(records: number): number
  /** How many of its next records have at most so many bytes. */
  recordsWithin(bytes: number): number
}

export interface Portion {
  readonly records: number
  /** At most so many bytes, where bytes are limited. */
  readonly bytes: number
}

export interface BatchSize {
  readonly maxRecords: number
  readonly maxBytes?: number
}

/**
 * Shares a batch out: its records, and its bytes where the records have more than there may be, each by
 * {@link shareFairly}. Whoever `turn` says is served first gets one record at least, also one of more bytes than there
 * may be, which then stands alone: nobody waits for ever for a batch in which there is room enough.
 * @returns what each gets, in the order given
 */
export function shareBatch(
  takers: readonly Taker[],
  { maxRecords, maxBytes = Number.POSITIVE_INFINITY }: BatchSize,
  turn: number,
): Portion[] {
  const records = shareFairly(
    takers.map(({ available }) => available),
    maxRecords,
    turn,
  )
  const needs = takers.map((taker, i) => taker.bytesOf(records[i] ?? 0))
  if (needs.reduce((a, b) => a + b, 0) <= maxBytes) {
    return takers.map((_, i) => ({ records: records[i] ?? 0, bytes: needs[i] ?? 0 }))
  }
  const within = (i: number, bytes: number): Portion => {
    const fitting = takers[i]?.recordsWithin(bytes) ?? 0
    return { records: Math.min(records[i] ?? 0, fitting), bytes }
  }
  const portions = shareFairly(needs, maxBytes, turn).map((bytes, i) => within(i, bytes))
  const served = [...records.keys()].filter((i) => (records[i] ?? 0) > 0)
  const first = served[turn % served.length] ?? 0
  if ((portions[first]?.records ?? 0) > 0) return portions
  const alone = takers[first]?.bytesOf(1) ?? 0
  const others = needs.map((bytes, i) => (i === first ? 0 : bytes))
  return shareFairly(others, Math.max(0, maxBytes - alone), turn).map((bytes, i) =>
    i === first ? { records: 1, bytes: alone } : within(i, bytes),
  )
}
